"""Sparklines: the last minutes of each watcher's rate, all on one scale. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from watcher.agent.page.words import rate_in_words
from watcher.operations import ROW_OPERATIONS

SPARK_STEPS = 60
SPARK_MINUTES = 5
SPARK_HEIGHT = 48
"""Steps and units of height in the drawing: whole units are half a pixel, and so need no decimals."""

_MARGIN = 2
_LEADING_DIGITS = (1, 2, 5, 10)

History = Mapping[str, Sequence[float | None]]
"""The content of `/api/watchers/{name}/history`: lists of equal length, with one value for each step."""


@dataclass(frozen=True, slots=True)
class Spark:
    """The course of a rate as the path of an SVG, and in words."""

    path: str
    words: str


def spark_top(histories: Iterable[History]) -> float:
    """The end of the scale for all of them, per second: 1, 2 or 5 times a power of ten, so that it seldom moves."""
    top = max((rate for history in histories for rate in _rates(history) if rate is not None), default=0.0)
    power = 10.0 ** math.floor(math.log10(max(top, 1.0)))
    return next(digit * power for digit in _LEADING_DIGITS if top <= digit * power)


def spark(history: History, top: float, *, is_live: bool = True) -> Spark:
    """Draw the last rates from left to right, from zero to `top` on a logarithmic scale. What is not known is a gap.

    If `is_live`, the last rate is the current one.
    """
    rates = _rates(history)
    known = [rate for rate in rates if rate is not None]
    if not known:
        return Spark("", "events per second: nothing known")
    now = f"now {rate_in_words(known[-1])}, " if is_live else ""
    return Spark(_path(rates, top), f"events per second, last {SPARK_MINUTES} minutes: {now}highest {rate_in_words(max(known))}")


def _path(rates: Sequence[float | None], top: float) -> str:
    """Straight lines between the points; of a level stretch only the ends."""
    heights = [None if rate is None else _height(rate, top) for rate in rates]
    first = SPARK_STEPS - len(rates)
    parts = []
    for step, height in enumerate(heights):
        before, after = heights[step - 1] if step else None, heights[step + 1] if step + 1 < len(heights) else None
        if height is None or (before == height == after):
            continue
        parts.append(f"{'M' if before is None else 'L'}{first + step},{height}")
        if before is after is None:
            parts.append("h0")  # a dot
    return "".join(parts)


def _height(rate: float, top: float) -> int:
    """Units from above. The scale is logarithmic, so that busy watchers do not flatten the others; zero is zero."""
    share = math.log1p(rate) / math.log1p(top)
    return round(SPARK_HEIGHT - _MARGIN - (SPARK_HEIGHT - 2 * _MARGIN) * min(share, 1.0))


def _rates(history: History) -> list[float | None]:
    """Events per second of all operations together."""
    columns = [history.get(operation, ()) for operation in ROW_OPERATIONS]
    return [_sum(step) for step in zip(*columns, strict=True)]


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
