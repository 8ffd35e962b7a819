"""Records that are missing are noticed, told to handlers before the next message, and not committed before."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_consumer_dispatcher import FIRST, SECOND, Handler, Harness, message
from watcher.consumer.change import NO_OFFSET, Gap, gap_before
from watcher.consumer.offsets.continuity import Continuity
from watcher.consumer.offsets.handled import Offsets
from watcher.consumer.registration.routes import Route

P = ("t", 0)


def continuity(first: int, begins: int | None = None) -> Continuity:
    made = Continuity(lambda _: first)
    if begins is not None:
        made.begin(P, begins)
    return made


def test_what_follows() -> None:
    made = continuity(first=5, begins=5)
    assert [made.came(P, 5, 6), made.came(P, 6, 7), made.came(P, 7, 7)] == [None] * 3


def test_where_a_group_begins_nothing_is_missing() -> None:
    assert continuity(first=100).came(P, 100, 101) is None


@given(st.lists(st.integers(1, 5)))
def test_the_marks_of_transactions_are_nothing_missing(steps: list[int]) -> None:
    made, offset = continuity(first=0, begins=0), 0
    for step in steps:
        offset += step
        assert made.came(P, offset, offset + 1) is None


def test_what_retention_has_passed() -> None:
    made = continuity(first=8, begins=3)
    assert "offsets 3 to 9 were deleted" in str(made.came(P, 10, 11))
    assert made.came(P, 11, 12) is None, "it is told once"


def test_an_end_tells_it_too() -> None:
    made = continuity(first=8, begins=3)
    assert "offsets 3 to 7 were deleted" in str(made.came(P, 8, 8))
    assert made.came(P, 8, 9) is None


def test_an_offset_that_is_gone() -> None:
    made = continuity(first=0, begins=500)
    assert "offset 500 is gone, the next one is 0" in str(made.came(P, 0, 1))
    assert made.came(P, 1, 2) is None


def test_what_somebody_else_has_read_meanwhile() -> None:
    made = continuity(first=8, begins=3)
    made.revoke([P, ("t", 1)])
    assert made.came(P, 10, 11) is None


def test_nothing_is_committed_before_it_was_told() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 4)
    offsets.hold(P)
    offsets.taken(P, 9)
    assert offsets.to_commit() == {P: 4}
    offsets.handled(P, 4)
    assert offsets.to_commit() == {}
    offsets.handled(P, 9)
    offsets.passed(P, 12)
    assert offsets.to_commit(again=True) == {}
    offsets.handled(P, NO_OFFSET)
    assert offsets.to_commit() == {P: 12}
    offsets.hold(("t", 7))


def told(harness: Harness, sequence: int, partition: tuple[str, int] = FIRST) -> None:
    """Something is missing before this message, whose turn it is."""
    harness.offsets.hold(partition)
    harness.offsets.taken(partition, sequence)
    change = message("users", sequence, partition, sequence)
    harness.dispatcher.missing_before(change, "gone")
    harness.dispatcher.take(change)


def test_a_gap_is_told_before_the_message_and_after_those_that_wait() -> None:
    order: list[str] = []
    harness = Harness(
        Route(lambda changes: order.extend(str(each.sequence) for each in changes), "users", batch_size=10),
        Route(lambda changes: order.append(Gap.of(changes[0]).reason), operations=("gap",)),
    )
    harness.take("users", 1)
    told(harness, 2)
    harness.take("users", 3)
    harness.dispatcher.flush_due()
    assert order == ["1", "gone", "2", "3"]
    assert harness.offsets.to_commit() == {FIRST: 4}


def test_a_gap_that_nobody_hears_holds_up_nothing() -> None:
    handler = Handler()
    harness = Harness(Route(handler, "users"))
    told(harness, 2)
    assert (handler.got, harness.dispatcher.counts.unrouted, harness.offsets.to_commit()) == ([[2]], 0, {FIRST: 3})


def test_a_gap_whose_handler_fails_is_told_again() -> None:
    gaps, users = Handler(failures=2), Handler()
    harness = Harness(Route(gaps, operations=("gap",)), Route(users, "users"))
    told(harness, 2)
    assert (gaps.got, users.got) == ([[2]], [[2]])


def test_a_message_that_is_revoked_while_its_gap_is_told_is_left_to_the_next_member() -> None:
    gaps, users = Handler(failures=1), Handler()
    harness = Harness(Route(gaps, operations=("gap",)), Route(users, "users"))
    harness.during_wait = lambda: harness.revoke(SECOND)
    told(harness, 2, SECOND)
    assert (gaps.got, users.got) == ([], [])


def test_what_is_told_of_a_message_that_goes_to_another_member_is_forgotten() -> None:
    gaps, users = Handler(), Handler()
    harness = Harness(Route(gaps, operations=("gap",)), Route(users, "users"))
    harness.dispatcher.missing_before(message("users", 2, FIRST, 2), "gone")
    harness.revoke(FIRST)
    harness.offsets.assign([FIRST])
    harness.take("users", 2)
    assert (gaps.got, users.got) == ([], [[2]])


def test_two_reasons_are_both_told() -> None:
    reasons: list[str] = []
    harness = Harness(Route(lambda changes: reasons.append(Gap.of(changes[0]).reason), operations=("gap",)))
    change = message("users", 2, FIRST, 2)
    harness.offsets.hold(FIRST)
    harness.offsets.taken(FIRST, 2)
    for reason in ("one", "two"):
        harness.dispatcher.missing_before(change, reason)
    harness.dispatcher.take(change)
    assert reasons == ["one; two"]


@pytest.mark.parametrize("timestamp", ["2024-01-01T12:00:00.000Z", "yesterday"])
def test_a_gap_of_our_own_can_be_read_and_lie_among_the_dead_letters(timestamp: str) -> None:
    change = message("users", 2, FIRST, 7)
    gap = gap_before(dataclasses.replace(change, message={**change.message, "timestamp": timestamp}), "gone")
    assert (Gap.of(gap).reason, Gap.of(gap).sequence, gap.collection, gap.offset) == ("gone", 2, None, NO_OFFSET)
    assert json.loads(gap.record.value() or b"")["operationType"] == "gap"
    assert (gap.record.topic(), gap.record.partition()) == FIRST
