"""What is between MongoDB and Kafka."""

from __future__ import annotations

from watcher.worker.reporting.in_flight import UnderWay


def test_a_batch_on_its_way() -> None:
    under_way = UnderWay()
    under_way.received(5)
    assert (under_way.events, under_way.messages, under_way.bytes) == (5, 0, 0)
    under_way.encoded(2, 200)
    assert (under_way.events, under_way.messages, under_way.bytes) == (5, 2, 200)
    under_way.encoded(3, 30)
    under_way.committed()
    assert (under_way.events, under_way.messages, under_way.bytes) == (3, 3, 30)
    under_way.committed()
    assert (under_way.events, under_way.messages, under_way.bytes) == (0, 0, 0)


def test_an_event_can_become_two_messages() -> None:
    under_way = UnderWay()
    under_way.received(1)
    under_way.encoded(2, 20)
    assert under_way.events == 2
    under_way.committed()
    assert under_way.events == 0


def test_what_is_dropped_comes_again() -> None:
    under_way = UnderWay()
    under_way.received(9)
    under_way.encoded(2, 200)
    under_way.encoded(3, 300)
    under_way.committed()
    assert under_way.dropped() == 1
    assert (under_way.events, under_way.messages, under_way.bytes) == (0, 0, 0)
    under_way.encoded(4, 400)
    assert (under_way.messages, under_way.bytes) == (4, 400)
    assert under_way.dropped() == 1
    assert under_way.dropped() == 0
