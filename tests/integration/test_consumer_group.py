"""Members that come, go and die; redeliveries; commits; batches; asyncio; brokers that go away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.consuming import SOON, Running, Writer, collected, make_consumer
from tests.support.records import QUIET, end_offsets
from tests.support.waiting import eventually
from watcher.consumer import AsyncDatabaseChangeConsumer, Change, ConsumerOptions
from watcher.consumer.connection import consumer_properties
from watcher.consumer.delivered import Partition
from watcher.consumer.reading.feed import Feed
from watcher.sandbox.kafka import Broker, NoidaBroker

ROOT = Path(__file__).parents[2]

MEMBER = """
import sys, time
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer
options = ConsumerOptions(commit_every_ms=200)
consumer = DatabaseChangeConsumer({bootstrap!r}, {group!r}, {topics!r}, options=options, kafka={{"session.timeout.ms": 6000}})
@consumer.on("*", "*")
def handle(change: Change) -> None:
    time.sleep(0.002)
    sys.stdout.write(f"{{change.sequence}}\\n")
    sys.stdout.flush()
consumer.run()
"""


@pytest.fixture
def writer(kafka: Broker, prefix: str) -> Writer:
    return Writer(kafka.bootstrap, prefix)


def committed(bootstrap: str, group: str, topics: list[str]) -> dict[tuple[str, int], int]:
    """Return how far the group has got, where it has."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group}, logger=QUIET)
    try:
        partitions = consumer.committed([TopicPartition(topic, number) for topic in topics for number in range(3)], timeout=20)
        return {(each.topic, each.partition): each.offset for each in partitions if each.offset >= 0}
    finally:
        consumer.close()


def ignore(_: object) -> None:
    """A callback of Feed's."""


def make_feed(kafka: Broker, group: str, topics: list[str], **callbacks: Callable[[Any], object]) -> Feed:
    names = ("assigned", "revoked", "lost", "committed", "uncommitted")
    return Feed(consumer_properties(kafka.bootstrap, group, {}, "dead"), topics, **{**dict.fromkeys(names, ignore), **callbacks})


def write_some(writer: Writer, count: int) -> None:
    for first in range(0, count, 50):
        messages = (writer.message(("insert", "update", "delete")[number % 3], number % 17) for number in range(first, first + 50))
        writer.write(messages)


def test_what_was_handled_is_committed_and_nothing_else(kafka: Broker, prefix: str, writer: Writer) -> None:
    write_some(writer, 300)
    handled: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)

    @consumer.on("*", "*")
    def handle(change: Change) -> None:
        handled.append(change.sequence)
        if len(handled) == 100:
            consumer.stop()

    consumer.run()
    assert handled == list(range(1, 101))
    rest = collected(kafka.bootstrap, prefix, writer.topics, 200)
    assert [change.sequence for change in rest] == list(range(101, 301))


def test_when_all_is_handled_the_group_is_at_the_end(kafka: Broker, prefix: str, writer: Writer) -> None:
    """Past the marks of transactions too: monitoring must not show a lag that never goes away."""
    write_some(writer, 150)
    handled: list[Change] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)
    consumer.on("*")(handled.append)
    with Running(consumer):
        eventually(lambda: len(handled) == 150)
        ends = end_offsets(kafka.bootstrap, writer.topics)
        eventually(lambda: ends.items() <= committed(kafka.bootstrap, prefix, writer.topics).items())


def test_a_commit_that_fails_later_is_told(kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    """Without waiting, Kafka's answer comes when it is listened to again; then the offsets can be committed with the next ones."""
    caplog.set_level("INFO", "watcher.consumer")
    assigned: set[Partition] = set()
    arrived: dict[Partition, int] = {}
    failed: list[set[Partition]] = []
    there, nowhere = (writer.topics[0], 0), (f"{prefix}.nowhere", 0)
    feed = make_feed(
        kafka,
        prefix,
        writer.topics,
        assigned=assigned.update,
        committed=arrived.update,
        uncommitted=lambda partitions: failed.append(partitions) if partitions else None,
    )

    def listened(done: Callable[[], object]) -> None:
        def look() -> object:
            feed.read(0.1)
            return done()

        eventually(look)

    try:
        listened(lambda: assigned)
        for _ in range(2):
            feed.commit({nowhere: 1, there: 0}, wait=False)
            listened(lambda: failed)
            assert nowhere in failed.pop()
        feed.commit({there: 0}, wait=False)
        listened(lambda: arrived == {there: 0})
        assert caplog.text.count("offsets were not committed") == caplog.text.count("offsets are committed again") == 1
        feed.commit({nowhere: 1}, wait=True)
        assert failed == [{nowhere}]
    finally:
        feed.close()


def test_what_is_assigned_while_a_handler_waits_is_not_read_meanwhile(kafka: Broker, prefix: str, writer: Writer) -> None:
    """The buffer's limit does not hold there. Nothing is left out afterwards, and nothing comes twice."""
    write_some(writer, 1500)
    assigned_at: list[float] = []
    feed = make_feed(kafka, prefix, writer.topics, assigned=lambda _: assigned_at.append(time.monotonic()))
    try:
        feed.idle(30, lambda: bool(assigned_at) and time.monotonic() > assigned_at[0] + 2)
        assert assigned_at
        assert len(feed._kept) <= 2
        found: list[tuple[str | None, int | None, int | None]] = []

        def read() -> bool:
            found.extend((each.topic(), each.partition(), each.offset()) for each in feed.read(0.1) if each.error() is None)
            return len(found) >= 1500

        eventually(read)
        assert len(set(found)) == len(found) == 1500
    finally:
        feed.close()


def test_members_that_come_and_go_and_die_lose_nothing(kafka: Broker, prefix: str, writer: Writer, tmp_path: Path) -> None:
    """Every message is handled at least once; only those of the killed one more than that, and not many."""
    program = MEMBER.format(bootstrap=kafka.bootstrap, group=prefix, topics=writer.topics)
    logs = [tmp_path / f"member-{number}" for number in range(4)]

    def handled() -> list[int]:
        return [int(line) for log in logs if log.exists() for line in log.read_text().splitlines(keepends=True) if line[-1] == "\n"]

    def start(log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen([sys.executable, "-c", program], stdout=output, cwd=ROOT)

    members = [start(logs[0])]
    try:
        for step in range(1, 4):
            write_some(writer, 500)
            goal = step * 250
            eventually(lambda goal=goal: len(set(handled())) >= goal, 60)
            members.append(start(logs[step]))
            eventually(lambda step=step: logs[step].exists())
        eventually(lambda: all(log.read_text() for log in logs) or len(set(handled())) == writer.sequence, 60)
        members[0].terminate()
        assert members[0].wait(30) == 0
        eventually(lambda: set(handled()) == set(range(1, writer.sequence + 1)), 60)
        assert len(handled()) == writer.sequence, "those that come and go in good order double nothing"
        write_some(writer, 300)
        members[1].kill()
        eventually(lambda: set(handled()) == set(range(1, writer.sequence + 1)), 90)
    finally:
        for member in members:
            member.kill()
            member.wait(20)
    assert len(handled()) - writer.sequence < 500


def test_a_message_that_was_written_twice_is_handled_once(kafka: Broker, prefix: str, writer: Writer) -> None:
    """As a watcher with delivery = "at-least-once" may do after a crash."""
    messages = [writer.message("insert", key) for key in range(20)]
    writer.write(messages)
    writer.write(messages)
    writer.write([writer.message("insert", "last")])
    handled: list[Change] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)
    consumer.on("*")(handled.append)
    with Running(consumer):
        eventually(lambda: len(handled) >= 21 and consumer.counts.repeated >= 20)
    assert sorted(change.sequence for change in handled) == list(range(1, 22))


AWAY_MS = 6000
AWAY = {"max.poll.interval.ms": AWAY_MS, "session.timeout.ms": AWAY_MS}
"""Seconds for which a member may stay away; Kafka's own limit is 6 s."""


def test_a_slow_handler_does_not_lose_its_membership(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty messages are fetched at once; handling them all takes longer than a member may stay away."""
    writer.write([writer.message("insert", key) for key in range(20)])
    handled: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, **AWAY)

    @consumer.on("*")
    def handle(change: Change) -> None:
        handled.append(change.sequence)
        time.sleep(AWAY_MS / 1000 / 15)

    with Running(consumer):
        eventually(lambda: len(handled) == 20, 30)
    assert handled == list(range(1, 21))
    assert "poll interval" not in caplog.text


def test_waiting_for_the_next_attempt_does_not_lose_membership_either(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    writer.write([writer.message("insert", 1)])
    handled: list[float] = []
    options = ConsumerOptions(backoff_ms=AWAY_MS + 2000)
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, options, **AWAY)

    @consumer.on("*")
    def handle(_: Change) -> None:
        handled.append(time.monotonic())
        if len(handled) == 1:
            raise OSError("away")

    with Running(consumer):
        eventually(lambda: consumer.counts.handled == 1, 40)
    assert handled[1] - handled[0] > AWAY_MS / 1000
    assert "poll interval" not in caplog.text


def test_a_member_that_was_away_too_long_begins_again(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """Its partitions are taken from it; when it has them back, it recognises what it has handled."""
    writer.write([writer.message("insert", key) for key in range(5)])
    handled: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, **AWAY)

    @consumer.on("*")
    def handle(change: Change) -> None:
        handled.append(change.sequence)
        if change.sequence == 3:
            time.sleep(AWAY_MS / 1000 + 2)

    with Running(consumer):
        eventually(lambda: len(handled) >= 5 and consumer.counts.repeated > 0, 60)
    assert handled == [1, 2, 3, 4, 5]
    assert "poll interval" in caplog.text


def test_batches(kafka: Broker, prefix: str, writer: Writer) -> None:
    """A batch is full, or has waited; a delete by another handler comes after the batch with its insert."""
    order: list[str] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)

    @consumer.on_batch("users", "insert", "update", size=4, wait_ms=2000)
    def save(changes: list[Change]) -> None:
        order.append("saved " + " ".join(str(change.sequence) for change in changes))

    @consumer.on("users", "delete")
    def delete(change: Change) -> None:
        order.append(f"deleted {change.sequence}")

    writer.write([writer.message("insert", key) for key in range(6)] + [writer.message("delete", 5), writer.message("insert", 7)])
    with Running(consumer):
        eventually(lambda: len(order) == 4)
    assert order == ["saved 1 2 3 4", "saved 5 6", "deleted 7", "saved 8"]


def test_a_topic_that_comes_later(kafka: Broker, prefix: str) -> None:
    handled: list[Change] = []
    consumer = make_consumer(kafka.bootstrap, prefix, [f"{prefix}.insert"])
    consumer.on("*")(handled.append)
    with Running(consumer) as running:
        time.sleep(1)
        writer = Writer(kafka.bootstrap, prefix)
        writer.write([writer.message("insert", 1)])
        eventually(lambda: handled or running.has_ended(), 40)
    assert running.error is None
    assert [change.key for change in handled] == [1]


def test_asyncio(kafka: Broker, prefix: str, writer: Writer) -> None:
    """Handlers run in the caller's loop, one after the other, and failures are retried as ever."""
    writer.write([writer.message("insert", key) for key in range(5)])
    calls: list[int] = []
    threads: set[int] = set()
    options = ConsumerOptions(backoff_ms=1)
    consumer = AsyncDatabaseChangeConsumer(kafka.bootstrap, prefix, writer.topics, options=options, kafka=SOON)

    @consumer.on("users")
    async def handle(change: Change) -> None:
        await asyncio.sleep(0.01)
        threads.add(threading.get_ident())
        calls.append(change.sequence)
        if calls == [1, 2, 3]:
            raise OSError
        if change.sequence == 5:
            consumer.stop()

    asyncio.run(asyncio.wait_for(consumer.run(), 40))
    assert (calls, threads) == ([1, 2, 3, 3, 4, 5], {threading.get_ident()})
    assert consumer.counts.handled == 5


async def stuck(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def blocking(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize(("hang", "line"), [(stuck, "await asyncio.sleep(seconds)"), (blocking, "time.sleep(seconds)")])
def test_asyncio_hanging(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture, hang: Callable[[float], Any], line: str
) -> None:
    """The log shows where the coroutine is, and not that a thread waits for it."""
    writer.write([writer.message("insert", 1)])
    options = ConsumerOptions(hang_after_ms=300)
    consumer = AsyncDatabaseChangeConsumer(kafka.bootstrap, prefix, writer.topics, options=options, kafka=SOON)

    @consumer.on("users")
    async def handle(_: Change) -> None:
        while "has not returned for" not in caplog.text:
            await hang(1.0)
        consumer.stop()

    asyncio.run(asyncio.wait_for(consumer.run(), 40))
    assert "has not returned for" in caplog.text
    assert "await hang(1.0)" in caplog.text
    assert line in caplog.text
    assert "future.result" not in caplog.text


def test_asyncio_cancelled(kafka: Broker, prefix: str, writer: Writer) -> None:
    """The message in hand is finished and committed."""
    writer.write([writer.message("insert", key) for key in range(2)])
    handled: list[int] = []
    consumer = AsyncDatabaseChangeConsumer(kafka.bootstrap, prefix, writer.topics, kafka=SOON)
    begun = asyncio.Event()

    @consumer.on("users")
    async def handle(change: Change) -> None:
        begun.set()
        await asyncio.sleep(0.5)
        handled.append(change.sequence)

    async def cancel() -> None:
        running = asyncio.create_task(consumer.run())
        await asyncio.wait_for(begun.wait(), 40)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert handled == [1]
    assert [change.sequence for change in collected(kafka.bootstrap, prefix, writer.topics, 1)] == [2]


def test_a_kafka_that_is_away_does_not_keep_the_consumer_from_stopping(
    tmp_path: Path, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    with NoidaBroker(tmp_path / "kafka") as broker:
        writer = Writer(broker.bootstrap, prefix)
        writer.write([writer.message("insert", 1)])
        handled: list[Change] = []
        consumer = make_consumer(broker.bootstrap, prefix, writer.topics)
        consumer.on("*")(handled.append)
        with Running(consumer) as running:
            eventually(lambda: len(handled) == 1)
            broker.stop()
            eventually(lambda: "Kafka does not answer; waiting for it" in caplog.text, 40)
            assert running.error is None
            consumer.stop()
            eventually(running.has_ended, 20)


def test_nobody_creates_topics_by_reading(kafka: Broker, prefix: str) -> None:
    consumer = make_consumer(kafka.bootstrap, prefix, [f"{prefix}.nothing"])
    with Running(consumer):
        time.sleep(1)
    assert (
        f"{prefix}.nothing" not in AdminClient({"bootstrap.servers": kafka.bootstrap}, logger=QUIET).list_topics(timeout=10).topics
    )
