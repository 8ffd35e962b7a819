"""The waits between two attempts."""

from __future__ import annotations

from watcher.worker.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff


def test_waits_double_up_to_the_longest_and_lie_in_the_upper_half() -> None:
    backoff, ceiling = Backoff(), FIRST_SECONDS
    for _ in range(20):
        assert ceiling / 2 <= backoff.next_seconds() <= ceiling
        ceiling = min(2 * ceiling, LONGEST_SECONDS)
    assert ceiling == LONGEST_SECONDS


def test_waits_differ_from_worker_to_worker() -> None:
    assert len({Backoff().next_seconds() for _ in range(10)}) > 1


def test_after_a_reset_the_first_wait_is_short_again() -> None:
    backoff = Backoff()
    for _ in range(10):
        backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() <= FIRST_SECONDS
