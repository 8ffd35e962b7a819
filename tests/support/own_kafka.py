"""Apache Kafka for a test that hurts the broker itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.apache_kafka import BROKER_USED, FRUGAL, obtain, required
from watcher.sandbox.binaries import KafkaHome
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import ApacheKafka


def home_or_skip() -> KafkaHome:
    """Directory of the jars; without them the test is skipped, or fails where they are required."""
    try:
        return obtain()
    except SandboxError as error:
        if required():
            raise
        pytest.skip(f"needs Apache Kafka: {error}")


def skipped_markers(broker: ApacheKafka) -> list[str]:
    """The lines of its log about transactions that it has left open, as if their partitions were deleted (KAFKA-20734)."""
    return [line for line in broker.log.read_text().splitlines() if "while trying to send transaction markers" in line]


@contextmanager
def own_broker(directory: Path, config: pytest.Config) -> Iterator[ApacheKafka]:
    """A broker with its data in `directory`."""
    with ApacheKafka(directory, home=home_or_skip(), properties=FRUGAL) as broker:
        config.stash[BROKER_USED] = broker.description
        yield broker
