"""Order across topics: the problem with a plain consumer, and its absence with ours."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from itertools import count

import pytest
from confluent_kafka import Consumer

from tests.support.consuming import OPERATIONS, Running, Writer, collected, make_consumer, write_and_abort, write_lives
from tests.support.records import QUIET
from tests.support.waiting import eventually
from watcher.consumer import Change, ConsumerOptions
from watcher.consumer.change import read
from watcher.sandbox.kafka import Broker

ROUNDS = 25


def inversions(changes: Iterable[Change]) -> int:
    """Count how often a document's earlier change came after a later one."""
    last: defaultdict[object, int] = defaultdict(int)
    found = 0
    for change in changes:
        found += change.sequence < last[change.key]
        last[change.key] = max(last[change.key], change.sequence)
    return found


def plainly_consumed(bootstrap: str, topics: list[str], wanted: int) -> list[Change]:
    config = {"bootstrap.servers": bootstrap, "group.id": f"{topics[0]}-plain", "auto.offset.reset": "earliest"}
    consumer = Consumer(config, logger=QUIET)
    consumer.subscribe(topics)
    changes: list[Change] = []

    def consume() -> bool:
        records = [record for record in consumer.consume(500, 0.2) if record.error() is None]
        changes.extend(read(record, (record.topic() or "", record.partition() or 0)) for record in records)
        return len(changes) >= wanted

    try:
        eventually(consume, 60)
    finally:
        consumer.close()
    return changes


def test_a_plain_consumer_sees_documents_change_before_they_are_there(kafka: Broker, prefix: str) -> None:
    writer = Writer(kafka.bootstrap, prefix)
    total = write_lives(writer, ROUNDS)
    plain = plainly_consumed(kafka.bootstrap, writer.topics, total)
    assert (len(plain), inversions(plain) > 0) == (total, True)
    ours = collected(kafka.bootstrap, prefix, writer.topics, total)
    assert [change.sequence for change in ours] == list(range(1, total + 1))


@pytest.mark.parametrize("chosen", [OPERATIONS[1:], OPERATIONS[:2], ("insert", "delete")])
def test_also_when_only_some_topics_are_read(kafka: Broker, prefix: str, chosen: tuple[str, ...]) -> None:
    """Then numbers are missing for good, and what tells that nothing lower comes is where the partitions end."""
    writer = Writer(kafka.bootstrap, prefix)
    total = write_lives(writer, ROUNDS) * len(chosen) // len(OPERATIONS)
    ours = collected(kafka.bootstrap, prefix, [f"{prefix}.{operation}" for operation in chosen], total)
    assert len(ours) == total
    assert [change.sequence for change in ours] == sorted(change.sequence for change in ours)


def test_while_they_are_written_and_aborted(kafka: Broker, prefix: str) -> None:
    """Small transactions one after the other, some of them aborted, read as they come, without the inserts."""
    writer = Writer(kafka.bootstrap, prefix)
    changes: list[Change] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics[1:])
    consumer.on("*")(changes.append)
    with Running(consumer) as running:
        expected = write_and_abort(writer, 150)
        eventually(lambda: len(changes) >= expected)
    assert running.error is None
    assert len(changes) == expected
    assert [change.sequence for change in changes] == sorted(change.sequence for change in changes)


def test_a_small_buffer_holds_back_the_partitions_that_are_ahead(kafka: Broker, prefix: str) -> None:
    """All inserts lie before all updates: thousands of updates would have to be held, or be handed out too early."""
    writer = Writer(kafka.bootstrap, prefix)
    for operation in ("insert", "update"):
        for first in range(0, 3000, 500):
            writer.write(writer.message(operation, key) for key in range(first, first + 500))
    ours = collected(kafka.bootstrap, prefix, writer.topics, 6000, ConsumerOptions(buffer_bytes=256 * 1024))
    assert [change.sequence for change in ours] == list(range(1, 6001))


def test_two_watchers_on_the_same_topics(kafka: Broker, prefix: str) -> None:
    """Their numbers have nothing to do with each other."""
    first = Writer(kafka.bootstrap, prefix)
    second = Writer(kafka.bootstrap, prefix, client_id=f"{prefix}-other")
    for _ in range(5):
        write_lives(first, 2)
        write_lives(second, 3)
    ours = collected(kafka.bootstrap, prefix, first.topics, first.sequence + second.sequence)
    for writer, watcher in ((first, prefix), (second, f"{prefix}-other")):
        assert [change.sequence for change in ours if change.watcher == watcher] == list(range(1, writer.sequence + 1))


def test_a_lost_position_makes_the_numbers_jump(kafka: Broker, prefix: str) -> None:
    writer = Writer(kafka.bootstrap, prefix)
    write_lives(writer, 2)
    writer.sequence = 1_000_000
    write_lives(writer, 2)
    ours = collected(kafka.bootstrap, prefix, writer.topics, 480)
    assert [change.sequence for change in ours] == [*range(1, 241), *range(1_000_001, 1_000_241)]


def test_members_of_a_group_each_get_whole_documents_in_order(kafka: Broker, prefix: str) -> None:
    """Partition n of every topic goes to the same member, so a document is never shared between two."""
    writer = Writer(kafka.bootstrap, prefix)
    total = write_lives(writer, ROUNDS)
    handled: list[tuple[int, Change]] = []
    lock = threading.Lock()
    members = []
    for number in range(2):
        consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)

        @consumer.on("*")
        def handle(change: Change, number: int = number) -> None:
            with lock:
                handled.append((number, change))

        members.append(Running(consumer))
    counter = count()
    with members[0], members[1]:
        while len({number for number, _ in handled}) < 2:
            total += write_lives(writer, 1)
            assert next(counter) < 2000
        eventually(lambda: len({change.sequence for _, change in handled}) == total, 60)
    for number in range(2):
        assert inversions({change.sequence: change for member, change in handled if member == number}.values()) == 0
