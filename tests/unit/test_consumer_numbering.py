"""Numbers that begin again are told from messages that were written twice, and the order holds over it."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message as Record
from hypothesis import given
from hypothesis import strategies as st

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.numbering import Numbering
from watcher.consumer.sequence_order import SequenceOrder

A, B, C = ("insert", 0), ("update", 0), ("delete", 0)
Written = tuple[int, str | None]
"""Number and event."""


def change(partition: Partition, sequence: int, event: str | None, offset: int = 0) -> Change:
    return Change("insert", "d", "c", "w", sequence, partition, offset, {"eventId": event}, Record())


def counts(*messages: tuple[Partition, int, str | None], repeated: bool = False) -> list[int]:
    numbering = Numbering()
    return [numbering.count_of(change(*each), lambda _: repeated) for each in messages]


def test_rising_numbers_are_one_count() -> None:
    assert counts((A, 1, "a"), (A, 3, "c"), (B, 2, "b"), (A, 4, None), (A, 1_000_000, "d")) == [0] * 5


def test_numbers_that_fall_in_a_partition_are_a_new_count() -> None:
    assert counts((A, 9, "k"), (A, 1, "l"), (A, 2, "m"), (A, 1, "n")) == [0, 1, 1, 2]
    assert counts((A, 1, "k"), (A, 1, "l")) == [0, 1]
    assert counts((A, 9, None), (A, 1, None)) == [0, 1], "gaps name no event"


def test_messages_that_were_written_twice_are_none() -> None:
    assert counts((A, 8, "k"), (A, 9, "l"), (A, 8, "k"), (A, 9, "l"), (A, 10, "m"), repeated=True) == [0] * 5


def test_a_count_that_starts_with_earlier_events() -> None:
    """As with start_from. Then events don't tell the counts of other partitions, but their own numbers do."""
    assert counts((A, 9, "x"), (B, 8, "w"), (A, 1, "a"), (B, 10, "y"), (B, 2, "b")) == [0, 0, 1, 0, 1]


def test_other_partitions_follow_by_their_events() -> None:
    messages = [(A, 100, "k"), (B, 2, "b"), (A, 1, "m"), (B, 7, "n"), (C, 101, "l"), (B, 8, "o")]
    assert counts(*messages) == [0, 0, 1, 1, 0, 1]


def test_a_later_event_under_a_lower_number_of_another_partition() -> None:
    """A partition whose last number was lower still shows no fall."""
    assert counts((A, 100, "k"), (C, 5, "b"), (C, 7, "m"), (A, 1, "l"), (A, 8, "n")) == [0, 0, 1, 1, 1]


def test_an_event_between_the_counts_first_read_from_a_partition_of_its_own() -> None:
    """It is earlier than the one by which the new count was noticed, and later than all of the old one."""
    messages = [(A, 6, "f"), (B, 7, "g"), (A, 3, "j"), (C, 2, "i"), (B, 1, "h")]
    assert counts(*messages) == [0, 0, 1, 1, 1]


def test_a_position_that_was_set_back_is_no_new_count() -> None:
    """Its numbers jump, and its events come again; what other partitions still hold from before is later, and has lower numbers."""
    assert counts((A, 90, "k"), (A, 1_000_001, "e"), (B, 99, "l"), (B, 1_000_002, "f")) == [0] * 4


def test_what_is_read_again_after_a_rebalance() -> None:
    numbering = Numbering()
    told = [numbering.count_of(change(A, *each), lambda _: False) for each in [(8, "h"), (9, "i"), (1, "j"), (2, "k")]]
    numbering.forget([A])
    told += [numbering.count_of(change(A, *each), lambda _: False) for each in [(9, "i"), (1, "j"), (2, "k")]]
    assert told == [0, 0, 1, 1, 0, 1, 1]


class Reading:
    """Partitions that are read at any speed, and what comes out."""

    def __init__(self, logs: dict[Partition, list[Written]]) -> None:
        self.began: list[int] = []
        self.gone: list[Written] = []
        self.order = SequenceOrder(
            2.0,
            1 << 20,
            is_repeated=lambda each: (each.sequence, each.event_id) in self.gone,
            began_again=lambda each: self.began.append(each.sequence),
        )
        self.logs, self.read = logs, dict.fromkeys(logs, 0)
        self.order.assign(logs)
        self.round = self.order.begin_round(0.0)

    def take(self, partition: Partition, upto: int) -> None:
        for offset in range(self.read[partition], upto):
            self.order.add(change(partition, *self.logs[partition][offset], offset), 0)
        self.read[partition] = max(upto, self.read[partition])
        if self.read[partition] == len(self.logs[partition]):
            self.order.passed(partition, self.read[partition])

    def turn(self) -> None:
        self.order.answer(self.round, {each: len(self.logs[each]) for each in self.order.unclear()})
        for each in self.order.ready():
            self.gone.append((each.sequence, each.event_id))
        self.round = self.order.begin_round(0.0)

    def rest(self) -> None:
        for partition, log in self.logs.items():
            self.take(partition, len(log))
        self.turn()


def written(lengths: list[int], where: list[int]) -> tuple[list[Written], dict[Partition, list[Written]]]:
    """Counts of these lengths, one after the other, and the partitions into which each message went."""
    everything = [(number, f"{count:02}-{number:04}") for count, length in enumerate(lengths) for number in range(1, length + 1)]
    logs: dict[Partition, list[Written]] = {A: [], B: [], C: []}
    for message, place in zip(everything, where, strict=False):
        logs[(A, B, C)[place]].append(message)
    return everything, logs


@given(st.data())
def test_the_order_holds_while_a_reader_keeps_up(data: Any) -> None:
    """The first count was read when the second begins, in transactions of any size, read in any order of the partitions.

    The second is no longer: where it is, nothing tells a number of it, before any other, from one that is yet to come in the first.
    """
    first = data.draw(st.integers(3, 25))
    second = data.draw(st.integers(1, first))
    where = data.draw(st.lists(st.integers(0, 2), min_size=first + second, max_size=first + second))
    everything, _ = written([first, second], where)
    logs: dict[Partition, list[Written]] = {A: [], B: [], C: []}
    reading = Reading(logs)
    done = 0
    while done < len(everything):
        size = data.draw(st.integers(1, 6))
        size = min(size, first - done if done < first else len(everything) - done)
        for message, place in zip(everything[done : done + size], where[done : done + size], strict=True):
            logs[(A, B, C)[place]].append(message)
        done += size
        for partition in data.draw(st.permutations([A, B, C])):
            reading.take(partition, len(logs[partition]))
        reading.turn()
    reading.rest()
    assert (reading.gone, len(reading.began)) == (everything, 1)


def test_a_backlog_with_two_counts() -> None:
    everything, logs = written([60, 40], [number % 3 for number in range(100)])
    reading = Reading(logs)
    for step in range(1, 12):
        reading.take(A, min(step * 4, len(logs[A])))
        reading.take(B, min(step * 2, len(logs[B])))
        reading.turn()
    reading.rest()
    assert (reading.gone, reading.began) == (everything, [1])


def test_messages_written_twice_before_they_were_handled_are_no_new_count(caplog: pytest.LogCaptureFixture) -> None:
    log: list[Written] = [(1, "a"), (2, "b"), (3, "c"), (1, "a"), (2, "b"), (3, "c"), (4, "d")]
    reading = Reading({A: log, B: []})
    reading.rest()
    assert (sorted(set(reading.gone)), reading.began) == ([(1, "a"), (2, "b"), (3, "c"), (4, "d")], [])
    assert "order_wait_ms" not in caplog.text
