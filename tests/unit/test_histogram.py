"""The histogram agrees with one that looks at each observation."""

from __future__ import annotations

import pytest

from watcher.worker.reporting.histogram import Histogram

BOUNDS = (0.01, 1.0, 10.0)
NOW_MS = 1_704_110_400_000


def counted_singly(values: list[float]) -> tuple[tuple[int, ...], int]:
    return tuple(sum(value <= bound for value in values) for bound in BOUNDS), len(values)


@pytest.mark.parametrize(
    "ages_ms",
    [
        pytest.param([], id="none"),
        pytest.param([0, 9, 10, 11], id="about the smallest bound"),
        pytest.param([10_000, 10_001, 1000, 999], id="out of order"),
        pytest.param([-5000], id="a clock that is behind MongoDB's"),
    ],
)
def test_ages(ages_ms: list[int]) -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe_ages([NOW_MS - age for age in ages_ms], NOW_MS)
    buckets, total, number = histogram.observed
    assert (buckets, number) == counted_singly([age / 1000 for age in ages_ms])
    assert total == pytest.approx(sum(ages_ms) / 1000)


def test_observations_add_up() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.01, 0.5, 99.0):
        histogram.observe(value)
    histogram.observe_ages([NOW_MS - 500], NOW_MS)
    assert histogram.observed == ((1, 3, 3), pytest.approx(100.01), 4)
