"""Prometheus' histogram, that takes the thousands of observations of a transaction at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import add
from typing import NamedTuple


class Observed(NamedTuple):
    """`buckets` tell how many observations were at most each bound, so they rise; `total` is the sum of all `number` of them."""

    buckets: tuple[int, ...]
    total: float
    number: int


class Histogram:
    """Observations by size. Written by one thread; `observed` is a whole at any moment."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` rise; what is larger than the last one is in no bucket."""
        self.bounds = bounds
        self.observed = Observed((0,) * len(bounds), 0.0, 0)

    def observe(self, value: float) -> None:
        """Add one observation, in the unit of the bounds."""
        self._add([value <= bound for bound in self.bounds], value, 1)

    def observe_ages(self, times_ms: Iterable[int], now_ms: int) -> None:
        """Add how long ago each time was, by bounds in seconds. Not by computing the ages: that would cost ten times as much."""
        times_ms = sorted(times_ms)
        number = len(times_ms)
        younger = [number - bisect_left(times_ms, now_ms - bound * 1000) for bound in self.bounds]
        self._add(younger, (number * now_ms - sum(times_ms)) / 1000, number)

    def _add(self, buckets: Sequence[int], total: float, number: int) -> None:
        before = self.observed
        self.observed = Observed(tuple(map(add, before.buckets, buckets)), before.total + total, before.number + number)
