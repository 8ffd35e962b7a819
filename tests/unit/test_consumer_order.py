"""Finding the last messages in parts of topics, and putting what arrives back in order."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Message as Record
from hypothesis import given
from hypothesis import strategies as st

from watcher.consumer.delivered import DeliveredMessage, Partition, Tail, parse
from watcher.consumer.ordering.in_order import PATIENCE_S, InOrder
from watcher.consumer.ordering.merge import HELD_BYTES, Merge
from watcher.decoding.decoder import USUAL_PLACES


def delivered(sequence: int, partition: int = 0, **fields: Any) -> DeliveredMessage:
    return DeliveredMessage(("t", partition), b"", {"sequence": sequence, **fields})


def numbers(messages: list[DeliveredMessage]) -> list[int]:
    return [message.sequence for message in messages]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'{"watcher": "w"}',
        b'{"watcher": "w", "sequence": "1"}',
        b'{"watcher": "x", "sequence": 1}',
        None,
    ],
)
def test_what_others_wrote_is_passed_over(value: bytes | None) -> None:
    assert parse(Record(topic="t", partition=0, offset=0, value=value), "w", USUAL_PLACES) is None


def test_text_is_kept_as_it_was() -> None:
    text = b'{"sequence":7, "watcher":"w"}'
    found = parse(Record(topic="t", partition=0, offset=0, value=text), "w", USUAL_PLACES)
    assert found is not None
    assert (found.text, found.sequence, found.message) == (text, 7, json.loads(text))


class Log:
    """Partitions, each in order, together all numbers from 1 up; every third message is red."""

    def __init__(self, where: list[int]) -> None:
        self.partitions: dict[Partition, list[DeliveredMessage]] = {}
        for sequence, partition in enumerate(where, start=1):
            self.partitions.setdefault(("t", partition), []).append(delivered(sequence, partition, red=sequence % 3 == 0))

    def read(self, tail: Tail, spans: list[int]) -> bool:
        """Read the last `spans[n]` messages of partition n; whether the tail is sure to be complete."""
        cut = []
        for partition, messages in self.partitions.items():
            span = spans[partition[1]]
            for message in messages[max(0, len(messages) - span) :]:
                tail.add(message)
            if span < len(messages):
                cut.append(partition)
        return tail.is_complete(cut)


@given(st.data())
def test_partitions_are_merged_in_order_however_they_are_read(data: Any) -> None:
    log = data.draw(logs)
    everything = sorted(m.sequence for messages in log.partitions.values() for m in messages if m.message["red"])
    left = {partition: list(messages) for partition, messages in log.partitions.items()}
    merge = Merge(left)
    found: list[DeliveredMessage] = []
    while not merge.is_finished:
        partition = data.draw(st.sampled_from(sorted(left)))
        if left[partition]:
            message = left[partition].pop(0)
            merge.add(message, wanted=message.message["red"])
        else:
            del left[partition]
            merge.finish(partition)
        found += merge.ready()
    assert numbers(found) == everything
    assert merge.newest == (max((m.sequence for messages in log.partitions.values() for m in messages), default=None))


def test_a_partition_that_is_ahead_is_held_back_until_half_of_it_has_gone() -> None:
    ahead, behind = ("t", 0), ("t", 1)
    merge = Merge([ahead, behind])
    assert list(merge.ready()) == []
    for number in range(1, 5):
        merge.add(DeliveredMessage(ahead, b"x" * (HELD_BYTES // 8), {"sequence": number}), wanted=True)
    assert (merge.overfull(set()), list(merge.ready())) == ({ahead}, [])
    merge.add(DeliveredMessage(behind, b"", {"sequence": 2}), wanted=True)
    assert (numbers(list(merge.ready())), merge.overfull({ahead}), merge.overfull(set())) == ([1, 2], {ahead}, set())
    merge.finish(behind)
    assert (numbers(list(merge.ready())), merge.overfull({ahead})) == ([3, 4], set())


logs = st.lists(st.integers(0, 3), max_size=40).map(Log)
spans = st.lists(st.integers(0, 12), min_size=4, max_size=4)


@given(logs, spans, st.integers(0, 12), st.booleans())
def test_complete_means_that_nothing_is_missing(log: Log, spans: list[int], count: int, only_red: bool) -> None:
    def wanted(message: Any) -> bool:
        return message["red"] or not only_red

    everything = sorted(m.sequence for messages in log.partitions.values() for m in messages if wanted(m.message))
    tail = Tail(count, wanted)
    if log.read(tail, spans):
        assert numbers(tail.messages()) == (everything[-count:] if count else [])


@given(logs, st.integers(0, 12))
def test_whoever_has_read_everything_is_done(log: Log, count: int) -> None:
    assert log.read(Tail(count, lambda _: True), [40] * 4)


def test_done_without_reading_what_is_certainly_older() -> None:
    log = Log([0] * 20 + [1] * 20)
    assert log.read(Tail(5, lambda _: True), [5, 5])


def test_not_done_while_a_cut_partition_may_hide_a_number() -> None:
    assert not Log([0, 0, 0, 1, 0]).read(Tail(2, lambda _: True), [1, 0])


@given(logs, spans, st.integers(0, 12))
def test_what_is_certain_has_no_hole(log: Log, spans: list[int], count: int) -> None:
    tail = Tail(count, lambda _: True)
    log.read(tail, spans)
    newest = tail.newest_sequence() or 0
    found = numbers(tail.certain())
    assert found == [*range(newest - len(found) + 1, newest + 1)]
    assert found or not newest or not count


def test_of_a_message_only_what_is_left_of_it_is_kept() -> None:
    tail = Tail(2, lambda _: True, lambda delivered: replace(delivered, text=b""))
    for sequence in (1, 2, 3):
        tail.add(replace(delivered(sequence), text=b"x" * 1000))
    assert [(message.sequence, message.text) for message in tail.messages()] == [(2, b""), (3, b"")]


def test_a_message_that_was_written_twice_counts_once() -> None:
    tail = Tail(2, lambda _: True)
    for sequence in (1, 2, 2, 2):
        tail.add(delivered(sequence))
    assert numbers(tail.messages()) == [1, 2]
    assert tail.newest_sequence() == 2


@given(st.permutations(range(1, 9)))
def test_in_order_whatever_the_arrival(arrivals: list[int]) -> None:
    order, released = InOrder(1), []
    for sequence in arrivals:
        order.add(delivered(sequence), now=0.0)
        released += order.ready(0.0)
    assert numbers(released) == list(range(1, 9))


def test_a_gap_is_waited_for_but_not_for_ever() -> None:
    order = InOrder(1)
    order.add(delivered(3), now=0.0)
    assert order.ready(PATIENCE_S / 2) == []
    assert numbers(order.ready(PATIENCE_S)) == [3]
    order.add(delivered(2), now=PATIENCE_S)
    order.add(delivered(4), now=PATIENCE_S)
    assert numbers(order.ready(PATIENCE_S)) == [2, 4]


def test_without_an_expectation_the_first_to_come_is_the_first() -> None:
    order = InOrder()
    order.add(delivered(100), now=0.0)
    assert numbers(order.ready(0.0)) == [100]
