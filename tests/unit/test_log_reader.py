"""Reading to an end, with a consumer that gives what a test says. Real logs are read in tests/integration/test_log_reader.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.unit.forgetful_admin import OFFSET, ForgetfulAdmin
from watcher import librdkafka
from watcher.kafka import log_reader as module
from watcher.kafka.log_reader import TOPIC_GONE, EndNotReached, LogReader

HERE = ("topic", 0)
THERE = ("topic", 1)


@dataclass
class Arrival:
    """A record, or an event in the place of one."""

    at: int = 0
    code: int | None = None
    of: int = 0

    def topic(self) -> str:
        return "topic"

    def partition(self) -> int:
        return self.of

    def offset(self) -> int:
        return self.at

    def error(self) -> KafkaError | None:
        return None if self.code is None else KafkaError(self.code)


class FakeConsumer:
    """Gives one batch of arrivals after another, and nothing after the last."""

    batches: Iterator[Sequence[Arrival]] = iter(())
    assigned: list[TopicPartition]

    def __init__(self, _: dict[str, Any]) -> None:
        self._rest: Sequence[Arrival] = ()

    def assign(self, partitions: list[TopicPartition]) -> None:
        FakeConsumer.assigned = partitions

    def poll(self, _: float) -> Arrival | None:
        first, *self._rest = next(self.batches, None) or [None]
        return first

    def consume(self, _: int, timeout: float) -> Sequence[Arrival]:
        assert timeout == 0
        return self._rest


EOF = KafkaError._PARTITION_EOF
NO_GROUP = KafkaError.GROUP_AUTHORIZATION_FAILED


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogReader:
    monkeypatch.setattr(module, "Consumer", FakeConsumer)
    monkeypatch.setattr(module, "AdminClient", dict)  # never asked
    return LogReader({}, {}, request_s=1, stall_s=0.05, tolerated=[TOPIC_GONE])


def gives(monkeypatch: pytest.MonkeyPatch, *batches: Sequence[Arrival], ever: Arrival | None = None) -> None:
    def arrivals() -> Iterator[Sequence[Arrival]]:
        yield from batches
        while ever:
            yield [ever]

    monkeypatch.setattr(FakeConsumer, "batches", arrivals())


def read(log: LogReader, starts: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> list[tuple[int, int]]:
    """Partition and offset of each record."""
    return [(record.partition() or 0, record.offset() or 0) for records in log.read(starts, ends) for record in records]


def test_it_ends_with_the_last_record(log: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    gives(monkeypatch, [Arrival(3), Arrival(5)], [Arrival(9)], [Arrival(10)])
    assert read(log, {HERE: 3}, {HERE: 10}) == [(0, 3), (0, 5), (0, 9)]
    assert log.positions == {HERE: 10}


def test_an_end_without_a_record_comes_as_an_event(log: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last offsets may be markers of transactions, or gone by compaction."""
    gives(monkeypatch, [Arrival(3)], [Arrival(8, EOF)], [Arrival(10, EOF)])
    assert read(log, {HERE: 3}, {HERE: 10}) == [(0, 3)]


def test_each_partition_has_its_end(log: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    gives(monkeypatch, [Arrival(0), Arrival(1, EOF)], [Arrival(4, of=1)])
    assert read(log, {HERE: 0, THERE: 4, ("gone", 0): 7}, {HERE: 1, THERE: 5}) == [(0, 0), (1, 4)]
    assert {(each.topic, each.partition, each.offset) for each in FakeConsumer.assigned} == {(*HERE, 0), (*THERE, 4)}


def test_nothing_to_read_needs_no_consumer(log: LogReader) -> None:
    assert read(log, {HERE: 4}, {HERE: 4}) == []
    assert log.positions == {}
    log.close()


@pytest.mark.parametrize("ever", [None, Arrival(code=NO_GROUP), Arrival(code=TOPIC_GONE), Arrival(5, EOF)])
def test_it_gives_up_when_it_gets_no_further(log: LogReader, monkeypatch: pytest.MonkeyPatch, ever: Arrival | None) -> None:
    gives(monkeypatch, [Arrival(4)], ever=ever)
    with pytest.raises(EndNotReached) as caught:
        read(log, {HERE: 4}, {HERE: 6})
    assert caught.value.args[0].code() == KafkaError._TIMED_OUT


def test_it_goes_on_as_long_as_it_gets_further(log: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", iter(range(1000)).__next__)  # each look at the clock is a second later
    log._stall_s = 1.5
    gives(monkeypatch, *([Arrival(offset)] for offset in range(100)))
    assert len(read(log, {HERE: 0}, {HERE: 100})) == 100


def test_other_errors_are_raised(log: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    gives(monkeypatch, [Arrival(4), Arrival(code=KafkaError.TOPIC_AUTHORIZATION_FAILED)])
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        read(log, {HERE: 4}, {HERE: 6})


def forgetful(monkeypatch: pytest.MonkeyPatch, failures: Iterator[int], **options: Any) -> LogReader:
    monkeypatch.setattr(module, "AdminClient", ForgetfulAdmin)
    monkeypatch.setattr(librdkafka, "STEP_SECONDS", 0.01)
    monkeypatch.setattr(ForgetfulAdmin, "failures", failures)
    return LogReader({}, {}, request_s=1, stall_s=0.05, **options)


@pytest.mark.parametrize("code", [KafkaError._NOENT, TOPIC_GONE, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_broker_that_has_not_heard_of_a_new_topic_is_asked_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert forgetful(monkeypatch, iter([code, code])).ends([HERE]) == {HERE: OFFSET}


def test_a_topic_that_stays_unknown_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaException, match="No such entry"):
        forgetful(monkeypatch, repeat(KafkaError._NOENT), settle_s=0.05).ends([HERE])


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.OFFSET_NOT_AVAILABLE]
)
def test_a_broker_that_has_not_heard_of_a_new_leader_is_asked_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert forgetful(monkeypatch, iter([code, code])).ends([HERE]) == {HERE: OFFSET}


def test_a_leader_that_stays_unknown_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaException, match="NOT_LEADER_FOR_PARTITION"):
        forgetful(monkeypatch, repeat(KafkaError.NOT_LEADER_FOR_PARTITION), settle_s=0.05).ends([HERE])


def test_another_error_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaException, match="authorization"):
        forgetful(monkeypatch, iter([KafkaError.TOPIC_AUTHORIZATION_FAILED])).ends([HERE])
