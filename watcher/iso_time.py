"""Writes milliseconds since 1970 as JavaScript's `Date.prototype.toISOString` does."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

LATEST_MS = 8_640_000_000_000_000
"""A JavaScript date lies within this many milliseconds of 1970, either way (ECMA-262, time values)."""

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_ERA_DAYS = 146_097
_ERA_YEARS = 400
_DAYS_BEFORE_1970 = date(1970, 1, 1).toordinal() - 1

_MINUTES = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
_SECONDS = [f"{second:02}" for second in range(60)]
_MILLISECONDS = [f"{millisecond:03}" for millisecond in range(1000)]


def iso_time(ms: int) -> str | None:
    """Write `2024-01-01T12:00:00.000Z`, and years outside 0 to 9999 as `+012345` or `-000001`; None if JavaScript has no such
    date."""
    if not -LATEST_MS <= ms <= LATEST_MS:
        return None
    days, ms = divmod(ms, _DAY_MS)
    minutes, ms = divmod(ms, _MINUTE_MS)
    return f"{_iso_date(days)}T{_MINUTES[minutes]}:{_SECONDS[ms // 1000]}.{_MILLISECONDS[ms % 1000]}Z"


@lru_cache(maxsize=4096)
def _iso_date(days: int) -> str:
    # The calendar repeats every 400 years, and datetime.date knows all days of one such era.
    eras, day = divmod(days + _DAYS_BEFORE_1970, _ERA_DAYS)
    in_era = date.fromordinal(day + 1)
    return f"{_iso_year(in_era.year + eras * _ERA_YEARS)}-{in_era.month:02}-{in_era.day:02}"


def _iso_year(year: int) -> str:
    return f"{year:04}" if 0 <= year <= 9999 else f"{year:+07}"
