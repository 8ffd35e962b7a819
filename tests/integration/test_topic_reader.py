"""Reading whole topics up to their ends, for `verify` and `compare`."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer

from tests.support.records import QUIET
from tests.support.waiting import eventually
from watcher.config import Settings
from watcher.consumer.errors import ReadError
from watcher.sandbox.kafka import Broker
from watcher.verification import records
from watcher.verification.records import TopicReader

pytest_plugins = ["tests.support.worker_fixtures"]


def test_an_end_that_is_not_reached_is_named(
    kafka: Broker, database: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker answers all along: what is behind an open transaction cannot be read before that ends."""
    monkeypatch.setattr(records, "STALL_SECONDS", 2)
    topic = f"{database}.insert"
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": database}, logger=QUIET)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"{}")
    assert producer.flush(20) == 0

    def refused() -> str:
        with TopicReader(Settings(name="dashboard", **settings), topic.__eq__) as reader, pytest.raises(ReadError) as caught:
            reader.read(lambda _record: None)
        assert "transaction" in caught.value.hint
        return str(caught.value)

    assert eventually(refused) == f"Kafka gave no more of {topic} [0] for 2 s: it was read up to offset 0, and its end is 1."
    producer.commit_transaction(20)
