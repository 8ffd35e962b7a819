"""The oracle must find each kind of fault, or the tests that rely on it prove nothing."""

from __future__ import annotations

import pytest

from tests.support.oracle import Expected, Write, check_document, check_partitions, check_sequence
from tests.support.records import Record

DOCUMENT = ("users", "1")
INSERT, UPDATE, DELETE = Write("insert", 1), Write("update", 2), Write("delete", None)


def expected(*writes: Write, uncertain: Write | None = None) -> list[Expected]:
    return [Expected(write, certain=write != uncertain) for write in writes]


def record(offset: int, sequence: int) -> Record:
    return Record("database.insert", 0, offset, None, b'{"sequence": %d}' % sequence, 0)


def test_exactly_the_writes_pass() -> None:
    check_document(DOCUMENT, expected(INSERT, UPDATE, DELETE), [INSERT, UPDATE, DELETE])


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([INSERT, DELETE], id="lost"),
        pytest.param([INSERT, UPDATE], id="lost at the end"),
        pytest.param([INSERT, INSERT, UPDATE, DELETE], id="doubled"),
        pytest.param([INSERT, UPDATE, DELETE, DELETE], id="doubled at the end"),
        pytest.param([UPDATE, INSERT, DELETE], id="out of order"),
        pytest.param([INSERT, UPDATE, Write("update", 3), DELETE], id="never written"),
    ],
)
def test_a_fault_is_found(seen: list[Write]) -> None:
    with pytest.raises(AssertionError):
        check_document(DOCUMENT, expected(INSERT, UPDATE, DELETE), seen)


@pytest.mark.parametrize("seen", [[INSERT, UPDATE, DELETE], [INSERT, DELETE]], ids=["done", "not done"])
def test_a_write_of_unknown_fate_may_be_missing(seen: list[Write]) -> None:
    check_document(DOCUMENT, expected(INSERT, UPDATE, DELETE, uncertain=UPDATE), seen)


def test_a_write_of_unknown_fate_may_not_be_doubled() -> None:
    with pytest.raises(AssertionError):
        check_document(DOCUMENT, expected(INSERT, UPDATE, uncertain=UPDATE), [INSERT, UPDATE, UPDATE])


@pytest.mark.parametrize("numbers", [[2, 3], [1, 3], [1, 1, 2]], ids=["starts late", "gap", "repetition"])
def test_a_fault_in_the_sequence_is_found(numbers: list[int]) -> None:
    messages = [{"sequence": number, "eventId": f"{place:02}"} for place, number in enumerate(numbers)]

    with pytest.raises(AssertionError, match="sequence"):
        check_sequence(messages)


@pytest.mark.parametrize("events", [["b", "a"], ["a", "a"]], ids=["out of order", "the same event twice"])
def test_a_fault_in_the_event_ids_is_found(events: list[str]) -> None:
    with pytest.raises(AssertionError, match="event ids"):
        check_sequence([{"sequence": place, "eventId": event} for place, event in enumerate(events, start=1)])


def test_a_sequence_without_a_gap_passes() -> None:
    check_sequence([{"sequence": 1, "eventId": "a"}, {"sequence": 2, "eventId": "b"}])


def test_messages_out_of_order_in_a_partition_are_found() -> None:
    check_partitions([record(0, 1), record(5, 2)])
    with pytest.raises(AssertionError, match="sequence 1 lies after 2"):
        check_partitions([record(0, 2), record(5, 1)])
