"""Numbers that begin again are told from messages that were written twice, and the order holds over it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from confluent_kafka import Message as Record
from hypothesis import given
from hypothesis import strategies as st

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.ordering.numbering import Numbering
from watcher.consumer.ordering.sequence_order import SequenceOrder

A, B, C = ("insert", 0), ("update", 0), ("delete", 0)
Written = tuple[int, str | None]
"""Number and event."""


def change(partition: Partition, sequence: int, event: str | None, offset: int = 0) -> Change:
    return Change("insert", "d", "c", "w", sequence, partition, offset, {"eventId": event}, Record())


def counts(*messages: tuple[Partition, int, str | None]) -> list[int]:
    numbering = Numbering()
    return [numbering.count_of(change(*each)) for each in messages]


def test_rising_numbers_are_one_count() -> None:
    assert counts((A, 1, "a"), (A, 3, "c"), (B, 2, "b"), (A, 4, None), (A, 1_000_000, "d")) == [0] * 5


def test_numbers_that_fall_in_a_partition_are_a_new_count() -> None:
    assert counts((A, 9, "k"), (A, 1, "l"), (A, 2, "m"), (A, 1, "n")) == [0, 1, 1, 2]
    assert counts((A, 1, "k"), (A, 1, "l")) == [0, 1]
    assert counts((A, 8, "k"), (A, 9, None), (A, 1, None), (A, 2, "l")) == [0, 0, 0, 1], "gaps name no event"


def test_messages_that_were_written_twice_are_none() -> None:
    assert counts((A, 8, "k"), (A, 9, "l"), (A, 8, "k"), (A, 9, "l"), (A, 10, "m")) == [0] * 5


def test_messages_that_were_written_twice_are_none_if_the_first_ones_were_not_read_here() -> None:
    assert counts((A, 12, "l"), (A, 10, "j"), (A, 12, "l"), (B, 11, "k"), (A, 13, "m")) == [0] * 5
    assert counts((A, 12, "l"), (A, 10, None), (A, 12, "l"), (A, 13, "m")) == [0] * 4
    assert counts((A, 12, None), (A, 12, None), (A, 10, "j"), (A, 13, "m")) == [0] * 4


def test_a_repetition_before_a_new_count() -> None:
    assert counts((A, 12, "l"), (A, 10, "j"), (A, 11, "n"), (A, 12, "o")) == [0, 0, 1, 1]


def test_a_count_that_starts_with_earlier_events() -> None:
    """As with start_from. It looks repeated until a number has another event than before, or a higher one an earlier event.
    Then events don't tell the counts of other partitions, but their own numbers do.
    """
    assert counts((A, 9, "x"), (B, 8, "w"), (A, 1, "a"), (A, 9, "c"), (B, 10, "y"), (B, 2, "b")) == [0, 0, 0, 1, 0, 1]
    assert counts((A, 9, "x"), (A, 2, "b"), (A, 11, "d"), (A, 12, "e")) == [0, 0, 1, 1]


def test_a_gap_in_another_partition_that_has_seen_the_new_count() -> None:
    assert counts((A, 9, "k"), (B, 8, None), (A, 1, "l"), (B, 2, None), (B, 3, None)) == [0, 0, 1, 1, 1]


def test_a_new_count_that_is_read_before_the_old_one() -> None:
    """Its first message looks like one of the old count, until an earlier event comes under a higher number."""
    parted: list[tuple[int, str]] = []
    numbering = Numbering(lambda *each: parted.append(each))
    messages = [(C, 3, "x"), (C, 5, "y"), (A, 4, "d"), (A, 5, "e"), (B, 2, "b"), (A, 1, "w"), (C, 6, "z")]
    told = [numbering.count_of(change(*each)) for each in messages]
    assert (told, parted) == ([0, 0, 0, 0, 0, 1, 1], [(0, "y"), (0, "w")])


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


def row(partition: Partition, sequence: int, offset: int = 0) -> Change:
    """A document that a snapshot has copied: its event id is no token, and sorts after all tokens."""
    message = {"eventId": f"snapshot-20260101T000000Z-0a1b2c.{sequence}", "snapshot": "snapshot-20260101T000000Z-0a1b2c"}
    return Change("insert", "d", "c", "w", sequence, partition, offset, message, Record())


def test_documents_of_snapshots_between_changes_are_no_new_count() -> None:
    numbering = Numbering()
    messages = [change(A, 1, "82A"), row(A, 2), change(B, 4, "82C"), row(A, 3), change(A, 5, "82D"), row(A, 6), change(B, 7, "82E")]
    assert [numbering.count_of(each) for each in messages] == [0] * len(messages)


def test_a_new_count_that_begins_with_a_snapshot() -> None:
    numbering = Numbering()
    messages = [change(A, 90, "82A"), change(B, 91, "82B"), row(A, 2), change(B, 4, "82C"), row(A, 3), change(A, 5, "82D")]
    assert [numbering.count_of(each) for each in messages] == [0, 0, 0, 1, 1, 1]


@given(st.data())
def test_documents_of_snapshots_are_put_in_order_with_changes(data: Any) -> None:
    """Whatever is read first, in transactions that are there whole."""
    total = data.draw(st.integers(2, 40))
    kinds = data.draw(st.lists(st.tuples(st.sampled_from([A, B, C]), st.booleans()), min_size=total, max_size=total))
    began: list[int] = []
    order = SequenceOrder(2.0, 1 << 20, began_again=lambda each: began.append(each.sequence))
    order.assign([A, B, C])
    number = order.begin_round(0.0)
    for partition in data.draw(st.permutations([A, B, C])):
        of_partition = [(sequence, is_row) for sequence, (place, is_row) in enumerate(kinds, 1) if place == partition]
        for offset, (sequence, is_row) in enumerate(of_partition):
            each = row(partition, sequence, offset) if is_row else change(partition, sequence, f"82{sequence:04}", offset)
            order.add(each, 0)
        order.passed(partition, len(of_partition))
    order.answer(number, {partition: sum(place == partition for place, _ in kinds) for partition in order.unclear()})
    assert ([each.sequence for each in order.ready()], began) == ([*range(1, total + 1)], [])


def test_what_is_read_again_after_a_rebalance() -> None:
    numbering = Numbering()
    told = [numbering.count_of(change(A, *each)) for each in [(8, "h"), (9, "i"), (1, "j"), (2, "k")]]
    numbering.forget([A])
    told += [numbering.count_of(change(A, *each)) for each in [(9, "i"), (1, "j"), (2, "k")]]
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


def test_a_repetition_whose_first_part_an_earlier_process_has_read(caplog: pytest.LogCaptureFixture) -> None:
    """The offset was committed at the first 12."""
    reading = Reading({A: [(12, "l"), (10, "j"), (12, "l"), (14, "n")], B: [(11, "k"), (13, "m"), (15, "o")]})
    reading.take(A, 3)
    reading.turn()
    reading.rest()
    fresh = [number for number, _ in reading.gone if number > 12]
    assert (fresh, reading.began, caplog.text) == ([13, 14, 15], [], "")


def test_a_new_count_that_is_read_before_the_old_one_comes_after_it(caplog: pytest.LogCaptureFixture) -> None:
    old: list[Written] = [(number, f"{number:03}") for number in range(1, 21)]
    reading = Reading({C: [(3, "103"), (5, "105"), (30, "130")], A: old, B: []})
    reading.rest()
    reading.turn()
    assert (reading.gone, reading.began) == ([*old, (3, "103"), (5, "105"), (30, "130")], [3])
    assert caplog.text == ""


def test_a_new_count_that_has_begun_to_go_before_the_old_one_was_read_is_told() -> None:
    """5 follows 4, so it goes at once."""
    old: list[Written] = [(number, f"{number:03}") for number in range(1, 21)]
    reading = Reading({C: [(5, "105"), (6, "106"), (25, "125")], A: old, B: []})
    reading.take(A, 4)
    reading.take(C, 3)
    reading.turn()
    assert [number for number, _ in reading.gone] == [1, 2, 3, 4, 5, 6]
    reading.rest()
    reading.turn()
    assert (reading.gone[6:], reading.began) == ([*old[4:], (25, "125")], [25])


@given(st.data())
def test_two_counts_that_were_both_written_before_they_are_read(data: Any) -> None:
    """They are read in any order of the partitions before the first one goes. The second is so long as to contradict the first."""
    first, second = data.draw(st.integers(2, 25)), data.draw(st.integers(1, 25))
    where = data.draw(st.lists(st.integers(0, 2), min_size=first + second, max_size=first + second))
    everything, logs = written([first, second], where)
    reading = Reading(logs)
    for partition in data.draw(st.permutations([A, B, C])):
        reading.take(partition, len(logs[partition]))
    for _ in range(4):
        reading.turn()
    assert (reading.gone, len(reading.began)) == (everything, 1)


@given(st.data())
def test_two_counts_in_a_backlog_read_at_any_speed(data: Any) -> None:
    """Each message goes once, none overtakes another of its partition, and a new count is told at most once."""
    first, second = data.draw(st.integers(1, 25)), data.draw(st.integers(1, 25))
    where = data.draw(st.lists(st.integers(0, 2), min_size=first + second, max_size=first + second))
    everything, logs = written([first, second], where)
    reading = Reading(logs)
    for partition, size in data.draw(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(1, 9)), max_size=20)):
        reading.take(partition, min(len(logs[partition]), reading.read[partition] + size))
        reading.turn()
    reading.rest()
    for _ in range(4):
        reading.turn()
    assert sorted(reading.gone) == sorted(everything)
    for log in logs.values():
        assert [each for each in reading.gone if each in log] == log
    assert len(reading.began) <= 1


@given(st.data())
def test_messages_written_again_and_read_from_the_middle_are_no_new_count(data: Any) -> None:
    """A watcher fails several times and writes its last messages again; the consumer begins anywhere in that."""
    logs: dict[Partition, list[Written]] = {A: [], B: [], C: []}
    partitions = data.draw(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=30))
    events = data.draw(st.lists(st.booleans(), min_size=len(partitions), max_size=len(partitions)))
    written_upto = 0
    while written_upto < len(partitions):
        begin = data.draw(st.integers(max(0, written_upto - 6), written_upto))
        written_upto = data.draw(st.integers(written_upto + 1, min(written_upto + 8, len(partitions))))
        for index in range(begin, written_upto):
            logs[partitions[index]].append((index + 1, f"{index:04}" if events[index] else None))
    begun = {partition: log[data.draw(st.integers(0, len(log))) :] for partition, log in logs.items()}
    reading = Reading(begun)
    for partition, size in data.draw(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(1, 9)), max_size=20)):
        reading.take(partition, min(len(begun[partition]), reading.read[partition] + size))
        reading.turn()
    reading.rest()
    for _ in range(4):
        reading.turn()
    written_once = [each for each, times in Counter(each for log in logs.values() for each in log).items() if times == 1]
    fresh = [each[0] for each in reading.gone if each in written_once]
    assert fresh == sorted(fresh)
    assert sorted(number for number, _ in reading.gone) == sorted(number for log in begun.values() for number, _ in log)
    assert (reading.began, reading.order.is_holding) == ([], False)


@given(st.data())
def test_a_position_set_back_in_a_backlog_is_no_new_count(data: Any) -> None:
    """The same events come again under numbers of another block."""
    first, back = data.draw(st.integers(1, 20)), data.draw(st.integers(0, 20))
    numbers = [*range(1, first + 1), *range(1_000_000, 1_000_000 + back + 3)]
    events = [*range(1, first + 1), *range(max(0, first - back), max(0, first - back) + back + 3)]
    everything: list[Written] = [(number, f"{event:03}") for number, event in zip(numbers, events, strict=True)]
    logs: dict[Partition, list[Written]] = {A: [], B: [], C: []}
    for message in everything:
        logs[data.draw(st.sampled_from([A, B, C]))].append(message)
    reading = Reading(logs)
    for partition, size in data.draw(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(1, 9)), max_size=15)):
        reading.take(partition, min(len(logs[partition]), reading.read[partition] + size))
        reading.turn()
    reading.rest()
    for _ in range(4):
        reading.turn()
    assert (reading.gone, reading.began) == (everything, [])
