"""Sizes of transactions, on links of any speed."""

from __future__ import annotations

import pytest

from watcher.kafka.transactions.size import FIRST_BYTES, LARGEST_BYTES, SMALLEST_BYTES, WANTED_SECONDS, TransactionSize

TIMEOUT_SECONDS = 30.0


def after(commits: int, bytes_per_second: float, size: TransactionSize) -> float:
    """Return the time that the last of so many full transactions took; one that is too slow fails."""
    seconds = 0.0
    for _ in range(commits):
        seconds = size.limit / bytes_per_second
        if seconds < TIMEOUT_SECONDS:
            size.committed(size.limit, seconds)
        else:
            size.failed()
    return seconds


def test_a_fast_link_gets_large_ones_soon() -> None:
    size = TransactionSize()
    after(4, 50e6, size)
    assert size.limit == LARGEST_BYTES


@pytest.mark.parametrize("bytes_per_second", [15e3, 50e3, 125e3, 1e6])
def test_a_slow_link_gets_what_it_carries(bytes_per_second: float) -> None:
    size = TransactionSize()
    after(10, 50e6, size)  # it was fast before
    assert after(10, bytes_per_second, size) <= WANTED_SECONDS
    after(10, 50e6, size)
    assert size.limit == LARGEST_BYTES


def test_failures_make_it_small_but_not_nothing() -> None:
    size = TransactionSize()
    size.failed()
    assert size.limit == FIRST_BYTES // 2
    after(20, 1, size)
    assert size.limit == SMALLEST_BYTES


def test_little_traffic_says_nothing_of_what_could_be_carried() -> None:
    size = TransactionSize()
    for _ in range(100):
        size.committed(300, 0.005)
    assert size.limit == FIRST_BYTES
    size.committed(300, 20.0)  # Kafka stood still
    assert size.limit == SMALLEST_BYTES
