"""Kafka Connect, which the tests here share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kafka_connect import KafkaConnect, jars_or_skip
from watcher.sandbox.kafka import ApacheKafka


@pytest.fixture(scope="package")
def connect(apache: ApacheKafka, server_directory: Path) -> Iterator[KafkaConnect]:
    """One worker; each test has connectors of its own names."""
    jars_or_skip()
    with KafkaConnect(server_directory / "connect", apache.bootstrap) as worker:
        yield worker
