"""Messages that are not there any more, and numbers that begin again: handlers hear of it, and nothing is passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.consuming import Running, Writer, collected, committed, make_consumer
from tests.support.kafka_topics import delete_records
from tests.support.records import QUIET, end_offsets
from tests.support.waiting import eventually
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer, Gap, HandlerFailed, ReadError
from watcher.sandbox.kafka import ApacheKafka, Broker


@pytest.fixture
def writer(kafka: Broker, prefix: str) -> Writer:
    """One topic with one partition."""
    return Writer(kafka.bootstrap, prefix, partitions=1, topic=f"{prefix}.changes")


class Heard:
    """Calls that the handlers of a consumer got, in their order: a number, or a gap."""

    def __init__(self, consumer: DatabaseChangeConsumer) -> None:
        self.all: list[int | Gap] = []
        self.consumer = consumer
        consumer.on("*")(lambda change: self.all.append(change.sequence))
        consumer.on_gap(self.all.append)

    @property
    def numbers(self) -> list[int]:
        return [each for each in self.all if isinstance(each, int)]

    @property
    def gaps(self) -> list[Gap]:
        return [each for each in self.all if isinstance(each, Gap)]

    def until(self, is_done: Callable[[], bool]) -> BaseException | None:
        """Run until then; what `run` raised."""
        with Running(self.consumer) as running:
            eventually(lambda: is_done() or running.has_ended(), 60)
        return running.error


def heard(kafka: Broker, group: str, topics: list[str], **properties: Any) -> Heard:
    return Heard(make_consumer(kafka.bootstrap, group, topics, **properties))


def inserts(writer: Writer, count: int, **fields: Any) -> None:
    writer.write([writer.message("insert", key, **fields) for key in range(count)])


def admin(kafka: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)


def delete_topic(kafka: Broker, topic: str) -> None:
    client = admin(kafka)
    client.delete_topics([topic])[topic].result(20)
    eventually(lambda: topic not in client.list_topics(timeout=10).topics)


def commit(kafka: Broker, group: str, place: TopicPartition) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group}, logger=QUIET)
    try:
        consumer.commit(offsets=[place], asynchronous=False)
    finally:
        consumer.close()


def test_offsets_that_retention_has_passed(kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    inserts(writer, 10)
    collected(kafka.bootstrap, prefix, writer.topics, 10)
    inserts(writer, 10)
    (end,) = end_offsets(kafka.bootstrap, writer.topics).values()
    inserts(writer, 3)
    delete_records(kafka, writer.topics[0], end)
    consumer = heard(kafka, prefix, writer.topics)
    assert consumer.until(lambda: len(consumer.numbers) == 3) is None
    (gap,) = consumer.gaps
    assert consumer.all == [gap, 21, 22, 23]
    assert (gap.database, gap.watcher, gap.sequence, gap.last_event_id) == (prefix, prefix, 21, None)
    assert f"{writer.topics[0]}, partition 0: offsets " in gap.reason
    assert "were deleted" in gap.reason
    assert gap.reason in caplog.text
    again = heard(kafka, prefix, writer.topics)
    inserts(writer, 1)
    assert again.until(lambda: len(again.numbers) == 1) is None
    assert again.gaps == [], "it is told once"


def test_what_is_missing_where_nothing_is_left_is_told_with_the_next_message(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """Only that says whose messages they were. Nothing is committed before, or the next start would not know."""
    inserts(writer, 5)
    consumer = heard(kafka, prefix, writer.topics)
    assert consumer.until(lambda: len(consumer.numbers) == 5) is None
    inserts(writer, 5)
    (end,) = end_offsets(kafka.bootstrap, writer.topics).values()
    delete_records(kafka, writer.topics[0], end)
    before = committed(kafka.bootstrap, prefix, writer.topics[0]).offset
    nothing_left = heard(kafka, prefix, writer.topics)
    assert nothing_left.until(lambda: "were deleted" in caplog.text) is None
    assert (nothing_left.all, committed(kafka.bootstrap, prefix, writer.topics[0]).offset) == ([], before)
    inserts(writer, 1)
    later = heard(kafka, prefix, writer.topics)
    assert later.until(lambda: len(later.numbers) == 1) is None
    assert [type(each) for each in later.all] == [Gap, int]


def test_an_offset_beyond_the_end(kafka: Broker, prefix: str, writer: Writer) -> None:
    """As when Kafka has lost what was written last."""
    inserts(writer, 3)
    commit(kafka, prefix, TopicPartition(writer.topics[0], 0, 500))
    consumer = heard(kafka, prefix, writer.topics)
    assert consumer.until(lambda: len(consumer.numbers) == 3) is None
    (gap,) = consumer.gaps
    assert consumer.all == [gap, 1, 2, 3]
    assert "offset 500 is gone" in gap.reason


def test_a_topic_that_was_created_again(kafka: Broker, prefix: str, writer: Writer) -> None:
    """The committed offset lies in the new topic too, but what is before it was never read."""
    inserts(writer, 3)
    collected(kafka.bootstrap, prefix, writer.topics, 3)
    old = committed(kafka.bootstrap, prefix, writer.topics[0])
    if not old.metadata:
        pytest.skip(f"{kafka.description} has no ids of topics")
    delete_topic(kafka, writer.topics[0])
    again = Writer(kafka.bootstrap, prefix, partitions=1, topic=writer.topics[0])
    inserts(again, 10, eventId="b")
    commit(kafka, prefix, old)  # as a member does that had not noticed yet
    consumer = heard(kafka, prefix, writer.topics)
    assert consumer.until(lambda: len(consumer.numbers) == 10) is None
    (gap,) = consumer.gaps
    assert consumer.all == [gap, *range(1, 11)]
    assert "was deleted and created again" in gap.reason


@pytest.mark.parametrize("reset", ["earliest", "latest", "error"])
def test_offsets_that_somebody_else_has_committed(kafka: Broker, prefix: str, writer: Writer, reset: str) -> None:
    """Other clients and tools store metadata of their own."""
    inserts(writer, 3)
    commit(kafka, prefix, TopicPartition(writer.topics[0], 0, 1, "m"))
    consumer = heard(kafka, prefix, writer.topics, **{"auto.offset.reset": reset})
    assert consumer.until(lambda: len(consumer.numbers) == 2) is None
    assert consumer.all == [2, 3]
    assert committed(kafka.bootstrap, prefix, writer.topics[0]).metadata != "m"


def test_a_topic_that_is_created_again_under_a_running_consumer(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    inserts(writer, 5)
    consumer = heard(kafka, prefix, writer.topics)
    with Running(consumer.consumer) as running:
        eventually(lambda: len(consumer.numbers) == 5)
        if not committed(kafka.bootstrap, prefix, writer.topics[0]).metadata:
            eventually(lambda: committed(kafka.bootstrap, prefix, writer.topics[0]).offset > 0)
        has_ids = bool(committed(kafka.bootstrap, prefix, writer.topics[0]).metadata)
        delete_topic(kafka, writer.topics[0])
        eventually(lambda: f"the topic {writer.topics[0]} does not exist any more" in caplog.text, 30)
        again = Writer(kafka.bootstrap, prefix, partitions=1, topic=writer.topics[0])
        again.sequence = 5
        inserts(again, 10)
        eventually(lambda: len(consumer.numbers) == 15 or running.has_ended(), 60)
    assert running.error is None
    assert consumer.numbers == list(range(1, 16))
    if has_ids:
        (gap,) = consumer.gaps
        assert consumer.all.index(gap) == 5


@pytest.mark.parametrize("name", ["error", "Error"])
def test_a_group_without_an_offset_may_be_an_error(kafka: Broker, prefix: str, writer: Writer, name: str) -> None:
    inserts(writer, 3)
    consumer = heard(kafka, prefix, writer.topics, **{"auto.offset.reset": name})
    error = consumer.until(lambda: False)
    assert isinstance(error, ReadError)
    assert "auto.offset.reset" in error.hint
    assert consumer.all == []


def test_missing_messages_may_be_an_error(kafka: Broker, prefix: str, writer: Writer) -> None:
    inserts(writer, 10)
    commit(kafka, prefix, TopicPartition(writer.topics[0], 0, 2))
    delete_records(kafka, writer.topics[0], 7)
    consumer = heard(kafka, prefix, writer.topics, **{"auto.offset.reset": "error"})
    assert isinstance(consumer.until(lambda: False), ReadError)
    assert consumer.all == []


def test_a_topic_that_was_created_again_may_be_an_error(kafka: Broker, prefix: str, writer: Writer) -> None:
    inserts(writer, 3)
    collected(kafka.bootstrap, prefix, writer.topics, 3)
    old = committed(kafka.bootstrap, prefix, writer.topics[0])
    if not old.metadata:
        pytest.skip(f"{kafka.description} has no ids of topics")
    delete_topic(kafka, writer.topics[0])
    inserts(Writer(kafka.bootstrap, prefix, partitions=1, topic=writer.topics[0]), 10)
    commit(kafka, prefix, old)
    consumer = heard(kafka, prefix, writer.topics, **{"auto.offset.reset": "error"})
    error = consumer.until(lambda: False)
    assert isinstance(error, ReadError), error
    assert "created again" in str(error)


def test_what_a_group_that_begins_at_the_end_passes_over_is_told(
    kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    inserts(writer, 3)
    consumer = heard(kafka, prefix, writer.topics, **{"auto.offset.reset": "latest"})
    assert consumer.until(lambda: "what is there is passed over" in caplog.text) is None
    assert consumer.all == []


def test_numbers_that_begin_again_under_a_running_consumer(kafka: Broker, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """As after a watcher's position topic was deleted: what it writes then comes after everything before, in its order."""
    writer = Writer(kafka.bootstrap, prefix)
    lives = ("insert", "update", "delete")

    def write(count: int, event: str) -> None:
        for first in range(0, count, 30):
            writer.write(
                writer.message(lives[number % 3], number % 7, eventId=f"{event}{number:08x}") for number in range(first, first + 30)
            )

    write(300, "a")
    consumer = heard(kafka, prefix, writer.topics)
    with Running(consumer.consumer) as running:
        eventually(lambda: len(consumer.numbers) == 300)
        writer.sequence = 0
        write(150, "b")
        eventually(lambda: len(consumer.numbers) == 450 or running.has_ended(), 60)
    assert running.error is None
    assert consumer.numbers == [*range(1, 301), *range(1, 151)]
    (gap,) = consumer.gaps
    assert consumer.all.index(gap) == 300
    assert "begin again, with 1" in gap.reason
    assert "order_wait_ms" not in caplog.text


def test_numbers_that_begin_again_in_a_backlog(kafka: Broker, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer(kafka.bootstrap, prefix)
    for event in ("a", "b"):
        writer.sequence = 0
        for first in range(0, 600, 60):
            writer.write(
                writer.message(("insert", "update", "delete")[number % 3], number % 7, eventId=f"{event}{number:08x}")
                for number in range(first, first + 60)
            )
    consumer = heard(kafka, prefix, writer.topics)
    assert consumer.until(lambda: len(consumer.numbers) == 1200) is None
    assert consumer.numbers == [*range(1, 601), *range(1, 601)]
    assert len(consumer.gaps) == 1
    assert "order_wait_ms" not in caplog.text


def test_what_nobody_takes_is_told_once(kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    writer.write(
        [writer.message("insert", key, collection="users") for key in range(3)]
        + [writer.message("update", 1), writer.message("delete", 1)]
    )
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)
    consumer.on("usres")(print)
    with Running(consumer):
        eventually(lambda: consumer.counts.unrouted == 5)
    told = [record.getMessage() for record in caplog.records if "no handler takes" in record.getMessage()]
    assert [message.split(",")[0] for message in told] == [
        f"no handler takes {operation} of users" for operation in ("insert", "update", "delete")
    ]
    assert all("there is one for 'usres'" in message for message in told)


def test_a_handler_that_never_runs_ends_the_consumer(kafka: Broker, prefix: str, writer: Writer) -> None:
    """Neither the offset is committed, nor goes each message to the dead letters."""
    inserts(writer, 2)

    async def save(change: Change) -> None: ...

    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, ConsumerOptions(attempts=2, backoff_ms=1))
    consumer.on("*")(lambda change: save(change))  # type: ignore[type-var]
    with Running(consumer) as running:
        eventually(running.has_ended, 40)
    assert isinstance(running.error, HandlerFailed)
    assert consumer.counts.dead_lettered == 0
    assert [change.sequence for change in collected(kafka.bootstrap, prefix, writer.topics, 2)] == [1, 2]


@pytest.mark.parametrize("properties", [{}, {"group.remote.assignor": "uniform"}, {"max.poll.interval.ms": 60_000}])
def test_the_group_protocol_of_kip_848(apache: ApacheKafka, prefix: str, properties: dict[str, Any]) -> None:
    writer = Writer(apache.bootstrap, prefix)
    inserts(writer, 20)
    consumer = heard(apache, prefix, writer.topics, **{"group.protocol": "consumer"}, **properties)
    assert consumer.until(lambda: len(consumer.numbers) == 20) is None
    assert consumer.numbers == list(range(1, 21))


def test_a_second_process_with_the_same_group_instance(apache: ApacheKafka, prefix: str, writer: Writer) -> None:
    inserts(writer, 1)
    first = heard(apache, prefix, writer.topics, **{"group.instance.id": "i"})
    second = heard(apache, prefix, writer.topics, **{"group.instance.id": "i"})
    with Running(first.consumer) as running:
        eventually(lambda: first.numbers)
        with Running(second.consumer):
            eventually(running.has_ended, 60)
    assert isinstance(running.error, ReadError)
    assert "group.instance.id" in running.error.hint


@pytest.mark.parametrize("value", [None, b""])
def test_empty_records_are_skipped(kafka: Broker, prefix: str, writer: Writer, value: bytes | None) -> None:
    writer.write_raw(writer.topics[0], value)
    inserts(writer, 1)
    collected(kafka.bootstrap, prefix, writer.topics, 1, ConsumerOptions(on_foreign="stop"))
    collected(kafka.bootstrap, f"{prefix}-2", writer.topics, 1)
    assert f"{prefix}-2.dead-letter" not in admin(kafka).list_topics(timeout=10).topics
