"""Chunks of a snapshot: no more documents a second than allowed, and hardly fewer."""

from __future__ import annotations

from random import Random

import pytest

from watcher.snapshot.pace import MOST_BYTES, MOST_DOCUMENTS, MOST_SEARCHED, Pace, Reach

SECONDS = 20.0


def documents_read(rate: int, random: Random, *, late: float, stands: float = 0.0) -> tuple[int, float]:
    """Read by a clock of our own for SECONDS: each look comes up to `late` seconds late, and first nobody looks for `stands` s.
    Returns the documents, and the time that they took."""
    pace, now, documents = Pace(rate), 100.0, 0
    if stands:
        pace.read(1, 100, 0.001, now, busy=False)
        now += stands
    begun = now
    while now < begun + SECONDS:
        now += pace.wait_seconds(now) + random.uniform(0, late)
        if pace.wait_seconds(now) == 0:
            limit = pace.limit()
            now += 0.001 + limit / 100_000
            pace.read(limit, 300 * limit, 0.001 + limit / 100_000, now, busy=False)
            documents += limit
    return documents, now - begun


@pytest.mark.parametrize("rate", [1, 7, 100, 1000, 8000, 30_000])
@pytest.mark.parametrize("late", [0.0, 0.005, 0.06])
def test_the_allowed_rate_is_held_within_five_percent(rate: int, late: float, rng: Random) -> None:
    documents, seconds = documents_read(rate, rng, late=late)
    assert documents / seconds == pytest.approx(rate, rel=0.05, abs=1 / SECONDS)


@pytest.mark.parametrize("rate", [100, 8000])
def test_after_a_long_wait_there_is_no_rush(rate: int, rng: Random) -> None:
    documents, seconds = documents_read(rate, rng, late=0.005, stands=60.0)
    assert documents / seconds <= 1.05 * rate


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace(0)
    pace.read(4000, 1_000_000, 0.03, 100.0, busy=False)
    assert pace.wait_seconds(100.0) == 0


def test_a_chunk_is_bounded_by_time_by_size_and_by_number() -> None:
    by_time, by_size, by_number = Pace(0), Pace(0), Pace(0)
    for now in range(20):
        by_time.read(by_time.limit(), 100, by_time.limit() * 0.001, now, busy=True)
        by_size.read(by_size.limit(), by_size.limit() * 50_000, 0.001, now, busy=False)
        by_number.read(by_number.limit(), by_number.limit(), 0.0, now, busy=False)
    assert by_time.limit() == 5
    assert by_size.limit() == MOST_BYTES // 50_000
    assert by_number.limit() == MOST_DOCUMENTS


def test_chunks_do_not_shrink_because_each_command_waits_for_its_turn() -> None:
    pace = Pace(0)
    for now in range(20):
        pace.read(pace.limit(), pace.limit() * 300, 0.05 + pace.limit() * 0.00001, now, busy=False)
    assert pace.limit() == MOST_DOCUMENTS


def test_a_search_that_takes_too_long_is_made_shorter_until_it_does_not() -> None:
    """There is time for 300 documents; later MongoDB is faster."""
    reach, tried = Reach(), []
    for _ in range(12):
        tried.append(reach.documents)
        if reach.documents is None or reach.documents > 300:
            reach.too_long()
        else:
            reach.read(seconds=5.0 * reach.documents / 300)
    assert tried == [None, 10_000, 5000, 2500, 1250, 625, 312, *[156] * 5]
    for _ in range(12):
        reach.read(seconds=0.5)
    assert reach.documents == MOST_SEARCHED


def test_where_no_search_takes_too_long_all_documents_are_searched() -> None:
    reach = Reach()
    reach.read(seconds=0.01)
    assert reach.documents is None
