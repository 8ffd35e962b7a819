"""No more is committed than was handled, and redeliveries are known again."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.consumer_changes import P, change
from watcher.consumer.delivery.redelivery import RedeliveryWindow
from watcher.consumer.offsets.handled import Offsets


class Model:
    """A partition's log as the obvious, slow thing."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.handled: set[int] = set()

    @property
    def committable(self) -> int | None:
        if not self.taken:
            return None
        return next((offset for offset in self.taken if offset not in self.handled), self.taken[-1] + 1)


@given(st.data())
def test_never_more_is_committed_than_was_handled(data: Any) -> None:
    offsets, model, offset = Offsets(), Model(), data.draw(st.integers(0, 5))
    committed = None
    offsets.assign([P])
    for _ in range(data.draw(st.integers(0, 30))):
        if data.draw(st.booleans()):
            offset += data.draw(st.integers(1, 3))  # marks of transactions lie between
            offsets.taken(P, offset)
            model.taken.append(offset)
        elif waiting := [each for each in model.taken if each not in model.handled]:
            model.handled.add(done := data.draw(st.sampled_from(waiting)))
            offsets.handled(P, done)
        moved = offsets.to_commit()
        assert moved == ({} if model.committable == committed else {P: model.committable})
        committed = model.committable


def test_the_end_of_a_partition_is_committed_past_the_marks() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 3)
    offsets.passed(P, 5)
    assert offsets.to_commit() == {P: 3}
    offsets.handled(P, 3)
    assert offsets.to_commit() == {P: 5}


def test_what_was_not_committed_is_committed_again() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 3)
    offsets.handled(P, 3)
    assert (offsets.to_commit(), offsets.to_commit()) == ({P: 4}, {})
    assert offsets.to_commit(again=True) == {P: 4}, "whether the last commit has arrived is not known yet"
    offsets.not_committed([P, ("t", 1)])
    assert offsets.to_commit() == {P: 4}
    offsets.committed({P: 4, ("t", 1): 1})
    assert (offsets.to_commit(), offsets.to_commit(again=True)) == ({}, {})


def test_what_was_revoked_is_nobodys() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 5)
    assert offsets.ours([change()]) == [change()]
    offsets.revoke([P])
    offsets.handled(P, 5)
    assert (offsets.ours([change()]), offsets.to_commit(), offsets.is_assigned(P)) == ([], {}, False)


def test_redeliveries_within_the_window() -> None:
    window = RedeliveryWindow(3)
    for sequence in (1, 2, 4, 5):
        window.add(change(sequence=sequence))
    assert [sequence for sequence in range(1, 7) if window.has(change(sequence=sequence))] == [2, 4, 5]
    assert not window.has(change(sequence=4, watcher="another"))
    assert not window.has(change(sequence=4, eventId="another")), "a watcher that began anew uses the numbers again"


def test_no_window_recognises_nothing() -> None:
    window = RedeliveryWindow(0)
    window.add(change())
    assert not window.has(change())
