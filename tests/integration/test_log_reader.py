"""Records of a real log: its bounds, and what open and aborted transactions do to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.waiting import eventually
from watcher.kafka.log_reader import EndNotReached, LogReader, Partition
from watcher.sandbox.kafka import ApacheKafka


@pytest.fixture
def log(apache: ApacheKafka) -> Iterator[LogReader]:
    common = {"bootstrap.servers": apache.bootstrap}
    reading = {"group.id": "unused", "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
    with LogReader(common | reading, common, request_s=10, stall_s=3) as log:
        yield log


@pytest.fixture
def here(apache: ApacheKafka, prefix: str) -> Partition:
    admin = AdminClient({"bootstrap.servers": apache.bootstrap})
    admin.create_topics([NewTopic(prefix, 1)])[prefix].result(20)
    return (prefix, 0)


@pytest.fixture
def producer(apache: ApacheKafka, prefix: str) -> Producer:
    producer = Producer({"bootstrap.servers": apache.bootstrap, "transactional.id": prefix})
    producer.init_transactions(20)
    return producer


def write(producer: Producer, topic: str, *values: str, **how: Any) -> None:
    for value in values:
        producer.produce(topic, value, **how)
    producer.flush(20)


def transaction(producer: Producer, topic: str, *values: str, commit: bool = True) -> None:
    producer.begin_transaction()
    write(producer, topic, *values)
    (producer.commit_transaction if commit else producer.abort_transaction)(20)


def values(log: LogReader, here: Partition, start: int, end: int) -> list[bytes | None]:
    return [record.value() for records in log.read({here: start}, {here: end}) for record in records]


def bounds(log: LogReader, here: Partition) -> tuple[int, int, int]:
    """The first offset, the last stable one, and the end."""
    return log.firsts([here])[here], log.stable_ends([here])[here], log.ends([here])[here]


def test_markers_count_and_are_no_records(log: LogReader, producer: Producer, here: Partition) -> None:
    transaction(producer, here[0], "a", "b")
    transaction(producer, here[0], "c", commit=False)
    eventually(lambda: bounds(log, here) == (0, 5, 5))
    assert values(log, here, 0, 5) == [b"a", b"b"]
    assert values(log, here, 1, 5) == [b"b"]
    assert log.positions == {here: 5}


def test_an_open_transaction_holds_back_what_is_behind_it(log: LogReader, producer: Producer, here: Partition) -> None:
    transaction(producer, here[0], "a")
    producer.begin_transaction()
    write(producer, here[0], "open")
    eventually(lambda: bounds(log, here) == (0, 2, 3))
    assert values(log, here, 0, 2) == [b"a"]
    began = time.monotonic()
    with pytest.raises(EndNotReached):
        values(log, here, 0, 3)
    assert time.monotonic() - began < 10
    producer.commit_transaction(20)
    assert values(log, here, 0, 3) == [b"a", b"open"]


def test_a_time_is_that_of_the_first_record_from_then_on(log: LogReader, producer: Producer, here: Partition) -> None:
    producer.begin_transaction()
    for second in (10, 20, 30):
        write(producer, here[0], str(second), timestamp=second * 1000)
    producer.commit_transaction(20)
    assert [log.at([here], time_ms)[here] for time_ms in (0, 10_000, 10_001, 30_000)] == [0, 0, 1, 2]
    assert log.at([here], int(time.time() + 3600) * 1000) == {here: -1}


def test_topics_and_their_partitions(log: LogReader, here: Partition) -> None:
    assert eventually(lambda: log.partitions(here[0].__eq__)) == {here}
    assert log.partitions(lambda name: name == f"{here[0]}.other") == set()
