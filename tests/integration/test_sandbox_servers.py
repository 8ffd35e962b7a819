"""The session's servers do what the other tests rely on."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo.database import Database

from tests.support.kafka_topics import create_topic, delete_topic
from tests.support.proxy import TcpProxy
from tests.support.records import QUIET, TopicReader, read_topics
from tests.support.waiting import eventually
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


def test_a_reader_gives_each_time_all_that_is_there(kafka: Broker, prefix: str) -> None:
    """Also what a transaction adds that was under way at the last call's end, and a topic that was not there."""
    topics = [prefix, f"{prefix}-later"]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": prefix}, logger=QUIET)
    producer.init_transactions()
    written: list[bytes] = []
    with closing(TopicReader(kafka.bootstrap, topics)) as reader:
        assert reader.read() == []
        for number, end in enumerate((producer.commit_transaction, producer.abort_transaction, producer.commit_transaction)):
            producer.begin_transaction()
            for topic in topics[: number + 1]:
                producer.produce(topic, f"{number} on {topic}".encode())
            end()
            written += [f"{number} on {topic}".encode() for topic in topics[: number + 1]] if number != 1 else []
            assert sorted(record.value or b"" for record in reader.read()) == sorted(written)
            assert reader.read() == reader.read()


def test_a_reader_sees_that_a_topic_was_made_anew(apache: ApacheKafka, prefix: str) -> None:
    producer = Producer({"bootstrap.servers": apache.bootstrap}, logger=QUIET)
    with closing(TopicReader(apache.bootstrap, [prefix])) as reader:
        for text in (b"one", b"two"):
            create_topic(apache, prefix)
            producer.produce(prefix, text)
            assert producer.flush(20) == 0
            assert [record.value for record in reader.read()] == [text]
            delete_topic(apache, prefix)
        eventually(lambda: reader.read() == [])


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
        read_topics(kafka.bootstrap, [prefix], timeout_s=3)

    producer.commit_transaction()
    assert [record.value for record in read_topics(kafka.bootstrap, [prefix])] == [b"open"]
