"""The order across topics: nothing goes before what could still come, and nothing waits for what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message as Record
from hypothesis import given
from hypothesis import strategies as st

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.ordering.sequence_order import MESSAGE_OVERHEAD, SequenceOrder

A, B, C = ("insert", 0), ("update", 0), ("delete", 0)
WAIT_S = 2.0


def change(sequence: int, partition: Partition, offset: int, watcher: str = "w") -> Change:
    return Change("insert", "d", "c", watcher, sequence, partition, offset, {}, Record())


class Bench:
    """A SequenceOrder with its partitions, each of which hands out offsets from 0."""

    def __init__(self, *partitions: Partition, buffer_bytes: int = 1 << 20, ordered: bool = True) -> None:
        self.order = SequenceOrder(WAIT_S, buffer_bytes, ordered=ordered)
        self.order.assign(partitions)
        self.offsets = dict.fromkeys(partitions, 0)
        self.now_s = 0.0
        self.round = self.order.begin_round(0.0)

    def listen(self, seconds: float = 0.01) -> None:
        self.now_s += seconds
        self.round = self.order.begin_round(self.now_s)

    def add(self, partition: Partition, *sequences: int, watcher: str = "w") -> None:
        for sequence in sequences:
            self.order.add(change(sequence, partition, self.offsets[partition], watcher), 0)
            self.offsets[partition] += 1

    def at_end(self, *partitions: Partition) -> None:
        """Kafka says that nothing more is there, now."""
        self.order.answer(self.round, {partition: self.offsets[partition] for partition in partitions})

    def ready(self) -> list[int]:
        return [each.sequence for each in self.order.ready()]


def test_numbers_without_a_gap_wait_for_nobody() -> None:
    bench = Bench(A, B, C)
    bench.add(A, 1)
    bench.add(B, 2)
    assert bench.ready() == [1, 2]


def test_a_gap_is_waited_for_until_each_partition_has_shown_more() -> None:
    bench = Bench(A, B)
    bench.add(A, 3, 5)
    assert bench.ready() == []
    bench.add(B, 4)
    bench.listen()
    assert bench.ready() == [3, 4, 5]


def test_a_partition_that_has_ended_is_not_waited_for() -> None:
    bench = Bench(A, B, C)
    bench.order.passed(B, 0)
    bench.order.passed(C, 0)
    bench.add(A, 3)
    assert bench.ready() == []
    assert bench.order.unclear() == {B, C}
    bench.at_end(B, C)
    assert bench.order.unclear() == set()
    assert bench.ready() == [3]


def test_an_end_that_was_told_before_the_message_came_proves_nothing() -> None:
    bench = Bench(A, B)
    bench.order.passed(B, 0)
    bench.at_end(A, B)
    bench.listen()
    bench.add(A, 3)
    assert bench.ready() == []
    bench.add(B, 2)
    bench.listen()
    bench.at_end(A, B)
    assert bench.ready() == [2, 3]


def test_a_partition_whose_end_is_ahead_is_waited_for_until_it_is_there() -> None:
    bench = Bench(A, B)
    bench.add(A, 3)
    bench.order.answer(bench.round, {B: 2})
    assert bench.ready() == []
    assert bench.order.unclear() == set(), "asking again would not help"
    bench.listen()
    bench.add(B, 2)
    assert bench.ready() == [2, 3], "2 is below 3, and nothing else can be"
    bench.listen()
    bench.add(A, 9)
    bench.order.passed(B, 2)
    assert bench.ready() == []


def test_silence_is_not_waited_for_forever() -> None:
    bench = Bench(A, B)
    bench.add(A, 3)
    bench.listen(WAIT_S * 0.9)
    assert bench.ready() == []
    bench.listen(WAIT_S * 0.2)
    assert bench.ready() == [3]


def test_a_partition_that_is_being_read_is_not_silent() -> None:
    bench = Bench(A, B)
    bench.add(A, 300)
    for sequence in range(1, 11):
        bench.listen(WAIT_S * 0.9)
        bench.add(B, sequence * 2)
        assert 300 not in bench.ready()


def test_watchers_do_not_wait_for_each_other() -> None:
    bench = Bench(A, B)
    bench.add(A, 1, 2, watcher="v")
    bench.add(A, 7, watcher="w")
    assert bench.ready() == [1, 2]
    bench.at_end(A)
    bench.order.passed(B, 0)
    bench.at_end(B)
    assert bench.ready() == [7]


def test_revoked_messages_are_forgotten_even_between_two() -> None:
    bench = Bench(A, B)
    bench.add(A, 1, 3)
    bench.add(B, 2, 4)
    seen = []
    for each in bench.order.ready():
        seen.append(each.sequence)
        if each.sequence == 2:
            bench.order.revoke({A})
    assert seen == [1, 2, 4]


def test_what_is_assigned_later_may_hold_what_is_older() -> None:
    bench = Bench(A, B)
    bench.add(A, *range(1, 10))
    assert len(bench.ready()) == 9
    bench.order.revoke({A, B})
    bench.order.assign({A, B, C})
    bench.offsets[C] = 0
    bench.listen()
    bench.add(B, 5)
    assert bench.ready() == [], "not because 9 has gone"
    bench.add(A, 3)
    bench.add(C, 7)
    bench.listen()
    assert bench.ready() == [3]
    bench.at_end(A, B, C)
    assert bench.ready() == [5, 7]


@pytest.mark.parametrize("bench", [Bench(("t", 0), ("t", 1)), Bench(A, B, ordered=False)])
def test_one_topic_or_no_wish_for_order_means_no_waiting(bench: Bench) -> None:
    partitions = list(bench.offsets)
    bench.add(partitions[0], 7)
    assert bench.ready() == [7]
    bench.add(partitions[1], 3)
    assert bench.ready() == [3]


def test_a_message_that_comes_too_late_is_handed_out_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(A, B)
    bench.add(A, 9)
    bench.listen(WAIT_S * 2)
    assert bench.ready() == [9]
    bench.add(B, 4, 5)
    assert bench.ready() == [4, 5]
    assert caplog.text.count("came after 9") == 1


def test_a_partition_that_is_ahead_is_not_read_until_half_of_it_has_gone() -> None:
    bench = Bench(A, B, buffer_bytes=8 * MESSAGE_OVERHEAD)
    bench.add(A, 10, 20, 30)
    assert bench.order.overfull(set()) == set()
    bench.add(A, 40)
    assert bench.order.overfull(set()) == {A}
    for sequence, held_back in ((15, {A}), (25, {A}), (35, set())):
        bench.add(B, sequence)
        bench.listen()
        assert bench.ready() == [sequence - 5, sequence]
        assert bench.order.overfull({A}) == held_back


@given(st.data())
def test_whatever_comes_when_the_order_is_right(data: Any) -> None:
    """Transactions are written whole; partitions are read at any speed, and ends are told as they are at that moment."""
    partitions = [A, B, C]
    bench = Bench(*partitions)
    logs: dict[Partition, list[int]] = {partition: [] for partition in partitions}
    read = dict.fromkeys(partitions, 0)
    written, released = 0, []
    for _ in range(data.draw(st.integers(1, 25))):
        for _ in range(data.draw(st.integers(0, 4))):  # one transaction
            written += data.draw(st.integers(1, 2))  # numbers of topics we don't read
            logs[data.draw(st.sampled_from(partitions))].append(written)
        bench.listen(0.0)
        for partition in partitions:
            upto = data.draw(st.integers(read[partition], len(logs[partition])))
            bench.add(partition, *logs[partition][read[partition] : upto])
            if upto == len(logs[partition]):
                bench.order.passed(partition, upto)
            read[partition] = upto
        asked = bench.order.unclear()
        bench.order.answer(bench.round, {partition: len(logs[partition]) for partition in asked})
        released += bench.ready()
    bench.listen(0.0)
    for partition in partitions:
        bench.add(partition, *logs[partition][read[partition] :])
        bench.order.passed(partition, len(logs[partition]))
    bench.at_end(*partitions)
    released += bench.ready()
    assert released == sorted(number for log in logs.values() for number in log)
