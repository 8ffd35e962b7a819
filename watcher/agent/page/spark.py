"""Sparklines: the last minutes of each watcher's rate, all on one scale. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watcher.agent.page.words import rate_in_words

SPARK_STEPS = 60
SPARK_MINUTES = 5
SPARK_HEIGHT = 48
"""Steps and units of height in the drawing: whole units are half a pixel, and so need no decimals."""

_MARGIN = 2
_LEADING_DIGITS = (1, 2, 5, 10)

Rates = Sequence[float | None]
"""Events per second, with one value for each step; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Spark:
    """The course of a rate as the path of an SVG, and in words."""

    path: str
    words: str


def spark_top(courses: Iterable[Rates]) -> float:
    """The end of the scale for all courses, per second: 1, 2 or 5 times a power of ten, so that it seldom moves."""
    top = max((rate for rates in courses for rate in rates if rate is not None), default=0.0)
    power = 10.0 ** math.floor(math.log10(max(top, 1.0)))
    return next(digit * power for digit in _LEADING_DIGITS if top <= digit * power)


def spark(rates: Rates, top: float, *, is_live: bool = True) -> Spark:
    """Draw the last rates from left to right, from zero to `top` on a logarithmic scale. What is not known is a gap.

    If `is_live`, the last rate is the current one, if it is known.
    """
    known = [rate for rate in rates if rate is not None]
    if not known:
        return Spark("", "events per second: nothing known")
    now = f"now {rate_in_words(rates[-1])}, " if is_live and rates[-1] is not None else ""
    return Spark(_path(rates, top), f"events per second, last {SPARK_MINUTES} minutes: {now}highest {rate_in_words(max(known))}")


def _path(rates: Rates, top: float) -> str:
    """Straight lines between the points; of a level stretch only the ends."""
    heights = _heights(rates, top)
    first = SPARK_STEPS - len(rates)
    parts = []
    for step, (before, height, after) in enumerate(zip([None, *heights], heights, [*heights[1:], None], strict=False)):
        if height is None or (before == height == after):
            continue
        parts.append(f"{'M' if before is None else 'L'}{first + step},{height}")
        if before is after is None:
            parts.append("h0")  # a dot
    return "".join(parts)


def _heights(rates: Rates, top: float) -> list[int | None]:
    """Units from above. The scale is logarithmic, so that busy watchers do not flatten the others; zero is zero."""
    floor, unit = SPARK_HEIGHT - _MARGIN, (SPARK_HEIGHT - 2 * _MARGIN) / math.log1p(top)
    return [None if rate is None else round(floor - unit * math.log1p(min(rate, top))) for rate in rates]
