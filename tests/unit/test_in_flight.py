"""Events between MongoDB and Kafka."""

from __future__ import annotations

import time

import pytest

from tests.support.still_clock import StillClock
from watcher.worker.reporting.in_flight import InFlight


def test_a_batch_on_its_way() -> None:
    in_flight = InFlight()
    in_flight.received(5)
    assert (in_flight.events, in_flight.messages, in_flight.bytes) == (5, 0, 0)
    in_flight.encoded(2, 200)
    assert (in_flight.events, in_flight.messages, in_flight.bytes) == (5, 2, 200)
    in_flight.encoded(3, 30)
    in_flight.committed()
    assert (in_flight.events, in_flight.messages, in_flight.bytes) == (3, 3, 30)
    in_flight.committed()
    assert (in_flight.events, in_flight.messages, in_flight.bytes) == (0, 0, 0)


def test_an_event_can_become_two_messages() -> None:
    in_flight = InFlight()
    in_flight.received(1)
    in_flight.encoded(2, 20)
    assert in_flight.events == 2
    in_flight.committed()
    assert in_flight.events == 0


def test_what_is_dropped_comes_again() -> None:
    in_flight = InFlight()
    in_flight.received(9)
    in_flight.encoded(2, 200)
    in_flight.encoded(3, 300)
    in_flight.committed()
    assert in_flight.dropped() == 1
    assert (in_flight.events, in_flight.messages, in_flight.bytes) == (0, 0, 0)
    in_flight.encoded(4, 400)
    assert (in_flight.messages, in_flight.bytes) == (4, 400)
    assert in_flight.dropped() == 1
    assert in_flight.dropped() == 0


def test_how_long_the_oldest_transaction_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StillClock()
    monkeypatch.setattr(time, "monotonic", clock)
    in_flight = InFlight()
    in_flight.encoded(2, 200)
    clock.now += 4
    in_flight.encoded(0, 0)
    clock.now += 3
    assert in_flight.waiting_seconds == 7
    in_flight.committed()
    assert in_flight.waiting_seconds == 0, "the next one was made early, and is begun only now"
    clock.now += 2
    assert in_flight.waiting_seconds == 2
    in_flight.committed()
    assert in_flight.waiting_seconds == 0
    clock.now += 5
    in_flight.encoded(1, 10)
    clock.now += 6
    assert in_flight.waiting_seconds == 6
    in_flight.dropped()
    assert in_flight.waiting_seconds == 0


def test_no_transaction_waits_for_less_than_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may commit, and so note a later time, while the age is worked out."""
    clock = StillClock()
    monkeypatch.setattr(time, "monotonic", clock)
    in_flight = InFlight()
    clock.now += 1
    in_flight.encoded(2, 200)
    clock.now -= 1
    assert in_flight.waiting_seconds == 0
