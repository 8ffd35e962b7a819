"""A Prometheus histogram that takes the thousands of observations of a transaction at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import add
from typing import NamedTuple


class Observed(NamedTuple):
    """State of a histogram. `buckets` count the observations up to each bound, so they rise; `total` is the sum of all `number`
    observations."""

    buckets: tuple[int, ...]
    total: float
    number: int


class Histogram:
    """Observations by size. One thread writes it; `observed` is consistent at any moment."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` must rise. An observation above the last bound is in no bucket."""
        self.bounds = bounds
        self.observed = Observed((0,) * len(bounds), 0.0, 0)

    def observe(self, value: float) -> None:
        """Add one observation, in the unit of the bounds."""
        self._add([value <= bound for bound in self.bounds], value, 1)

    def observe_ages(self, times_ms: Iterable[int], now_ms: int) -> None:
        """Add the age of each time at `now_ms`; bounds are in seconds, times in milliseconds. The ages themselves are not computed:
        that would cost many times as much."""
        times_ms = sorted(times_ms)
        number = len(times_ms)
        younger = [number - bisect_left(times_ms, now_ms - bound * 1000) for bound in self.bounds]
        self._add(younger, (number * now_ms - sum(times_ms)) / 1000, number)

    def _add(self, buckets: Sequence[int], total: float, number: int) -> None:
        before = self.observed
        self.observed = Observed(tuple(map(add, before.buckets, buckets)), before.total + total, before.number + number)
