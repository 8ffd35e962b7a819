"""Turns of a worker, by its lease or without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Timer

import pytest

from watcher.errors import NotOwner
from watcher.kafka.lease_rules import AWAY_SECONDS, DISPLACED_SECONDS, HUNG_SECONDS, SWITCHOVER, Turn, belongs_in_group, next_turn
from watcher.worker.process import StopRequest
from watcher.worker.tenure import Tenure

ERROR = NotOwner("another worker has it")


class LeaseByHand:
    """A lease that a test gives and takes."""

    def __init__(self, level: bool) -> None:
        self.level = level
        self.is_decided = True
        self.has_trouble = False
        self.left = False
        self.on_news: Callable[[], None] = lambda: None

    def decide(self, *, level: bool) -> None:
        self.level, self.is_decided = level, True
        self.on_news()

    def fail(self) -> None:
        self.has_trouble = True
        self.on_news()

    def turn(self) -> bool:
        return self.level

    def leave_to_another(self) -> None:
        self.left = True


def tenure(level: bool, stopping: StopRequest | None = None) -> tuple[Tenure, LeaseByHand]:
    lease = LeaseByHand(level)
    return Tenure(stopping or StopRequest(), lease), lease  # type: ignore[arg-type]  # stands in for a Lease


def test_only_the_level_decides_who_opens() -> None:
    assert next_turn(level=False, displaced_at=None, now=0.0) is Turn.STAND_BY
    assert next_turn(level=True, displaced_at=None, now=0.0) is Turn.OPEN


def test_a_displaced_worker_waits_for_its_level_and_then_believes_it() -> None:
    assert next_turn(level=True, displaced_at=5.0, now=5.0 + DISPLACED_SECONDS - 0.1) is Turn.WAIT
    assert next_turn(level=True, displaced_at=5.0, now=5.0 + DISPLACED_SECONDS) is Turn.OPEN
    assert next_turn(level=False, displaced_at=5.0, now=5.1) is Turn.STAND_BY


def test_a_main_loop_that_hangs_costs_the_lease() -> None:
    assert belongs_in_group(turned_at=5.0, left_at=None, now=5.0 + HUNG_SECONDS - 0.1)
    assert not belongs_in_group(turned_at=5.0, left_at=None, now=5.0 + HUNG_SECONDS)


def test_who_left_the_lease_to_another_comes_back_if_nobody_takes_it() -> None:
    assert not belongs_in_group(turned_at=5.0, left_at=5.0, now=5.0 + AWAY_SECONDS - 0.1)
    assert belongs_in_group(turned_at=5.0, left_at=5.0, now=5.0 + AWAY_SECONDS)


def test_without_a_lease_it_is_always_our_turn_until_another_worker_takes_over() -> None:
    stopping = StopRequest()
    worker = Tenure(stopping, None)
    assert worker.next_turn() is Turn.OPEN
    assert not worker.is_over()
    with pytest.raises(NotOwner):
        worker.displaced(ERROR)
    stopping.set()
    assert worker.is_over()


def test_with_a_lease_another_worker_is_no_reason_to_end() -> None:
    worker, lease = tenure(True)
    assert worker.next_turn() is Turn.OPEN
    worker.displaced(ERROR)
    assert worker.next_turn() is Turn.WAIT
    lease.level = False
    assert worker.next_turn() is Turn.STAND_BY
    lease.level = True
    assert worker.next_turn() is Turn.OPEN


def test_the_stream_is_over_when_the_lease_is() -> None:
    worker, lease = tenure(True)
    assert not worker.is_over()
    lease.level = False
    assert worker.is_over()


@pytest.mark.parametrize("level", [True, False])
def test_a_wait_ends_when_the_group_decides(level: bool) -> None:
    worker, lease = tenure(level)
    worker.next_turn()
    Timer(0.05, lambda: lease.decide(level=not level)).start()
    begun = time.monotonic()
    worker.wait(30)
    assert time.monotonic() - begun < 5


def test_a_wait_ends_when_the_worker_cannot_stay_in_the_group() -> None:
    """Such as a standby that has lost its right to it: it should say so, and not after its next look at who is active."""
    worker, lease = tenure(False)
    worker.next_turn()
    Timer(0.05, lease.fail).start()
    begun = time.monotonic()
    worker.wait(30)
    assert time.monotonic() - begun < 5


def test_a_trouble_that_is_known_does_not_end_a_wait() -> None:
    """An outage is looked at with growing pauses, however often the lease's thread tries."""
    worker, lease = tenure(False)
    lease.fail()
    worker.next_turn()
    lease.fail()
    begun = time.monotonic()
    worker.wait(0.2)
    assert time.monotonic() - begun >= 0.2


def test_a_wait_does_not_end_when_the_group_decides_as_before() -> None:
    """As after each rebalance in which this worker stays what it is."""
    worker, lease = tenure(False)
    worker.next_turn()
    lease.decide(level=False)
    begun = time.monotonic()
    worker.wait(0.2)
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("level", [True, False])
def test_a_wait_ends_when_the_lease_has_changed_since_the_turn_began(level: bool) -> None:
    worker, lease = tenure(level)
    worker.next_turn()
    lease.level = not level
    begun = time.monotonic()
    worker.wait(30)
    assert time.monotonic() - begun < 5


def test_a_wait_ends_when_the_group_has_decided_that_another_has_the_lease() -> None:
    """Until then a standby's state is `opening`."""
    worker, lease = tenure(False)
    lease.is_decided = False
    worker.next_turn()
    lease.is_decided = True
    begun = time.monotonic()
    worker.wait(30)
    assert time.monotonic() - begun < 5


def test_a_wait_ends_when_the_worker_is_told_to_stop() -> None:
    stopping = StopRequest()
    worker, _ = tenure(True, stopping)
    worker.next_turn()
    Timer(0.05, stopping.set).start()
    begun = time.monotonic()
    worker.wait(30)
    assert time.monotonic() - begun < 5


def test_only_a_switchover_makes_it_leave() -> None:
    worker, lease = tenure(True)
    worker.command_is_done("rewind to noon")
    assert not lease.left
    worker.command_is_done(SWITCHOVER)
    assert lease.left
