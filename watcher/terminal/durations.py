"""Durations as people read them."""

from __future__ import annotations

from datetime import timedelta

NOTHING = "-"

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def duration_in_words(duration: timedelta | None) -> str:
    """Return the two largest units: `3d4h`, `2h5m`, `12s`. Below ten seconds, return tenths of a second."""
    return seconds_in_words(None if duration is None else duration.total_seconds())


def seconds_in_words(seconds: float | None) -> str:
    """Like `duration_in_words`, for seconds; `-` if they are not known."""
    if seconds is None:
        return NOTHING
    seconds = max(seconds, 0.0)
    return f"{seconds:.1f}s" if seconds < 10 else _two_units(int(seconds))


def headroom_in_words(seconds: float | None, oplog_full: bool | None) -> str:
    """Like `seconds_in_words`; `more than 2h5m` while MongoDB's oplog is not full and so has forgotten nothing yet."""
    words = seconds_in_words(seconds)
    return f"more than {words}" if seconds is not None and oplog_full is False else words


def _two_units(seconds: int) -> str:
    parts: list[str] = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2])
