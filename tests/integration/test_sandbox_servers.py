"""The session's servers do what the other tests rely on."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo.database import Database

from tests.support.proxy import TcpProxy
from tests.support.records import QUIET, read_topics
from watcher.sandbox.kafka import ApacheKafka, Broker


def test_the_replica_set_serves_change_streams(db: Database[dict[str, Any]]) -> None:
    with db.watch() as stream:
        db.users.insert_one({"_id": 1})
        assert stream.next()["documentKey"] == {"_id": 1}


def test_read_topics_gives_committed_records_and_no_aborted_ones(kafka: Broker, prefix: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": prefix}, logger=QUIET)
    producer.init_transactions()
    for text, end in (
        ("one", producer.commit_transaction),
        ("two", producer.abort_transaction),
        ("three", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(prefix, text.encode(), key=b"k", timestamp=1_700_000_000_000)
        producer.flush()
        end()

    records = read_topics(kafka.bootstrap, [prefix])

    assert [record.value for record in records] == [b"one", b"three"]
    assert {(record.key, record.timestamp_ms) for record in records} == {(b"k", 1_700_000_000_000)}


def test_a_topic_that_does_not_exist_has_no_records(kafka: Broker, prefix: str) -> None:
    assert read_topics(kafka.bootstrap, [prefix]) == []


def test_clients_that_come_through_the_proxy_stay_behind_it(apache: ApacheKafka, kafka_proxy: TcpProxy, prefix: str) -> None:
    producer = Producer({"bootstrap.servers": kafka_proxy.address, "message.timeout.ms": 10_000}, logger=QUIET)
    producer.produce(prefix, b"x" * 100_000)

    assert producer.flush(10) == 0
    assert kafka_proxy.bytes_passed > 100_000
    assert len(read_topics(apache.bootstrap, [prefix])) == 1


def test_an_open_transaction_is_not_taken_for_the_end(kafka: Broker, prefix: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": prefix}, logger=QUIET)
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(prefix, b"open")
    producer.flush()

    with pytest.raises(AssertionError, match="were not reached"):
        read_topics(kafka.bootstrap, [prefix], timeout_s=1)

    producer.commit_transaction()
    assert [record.value for record in read_topics(kafka.bootstrap, [prefix])] == [b"open"]
