"""Numbers and ages in the page's words. No I/O."""

from __future__ import annotations

from datetime import datetime

from watcher.terminal.durations import NOTHING, seconds_in_words


def rate_in_words(rate: float | None) -> str:
    """A rate per second: with one decimal below 100, else a whole number with its thousands set apart."""
    if rate is None:
        return NOTHING
    return f"{rate:.1f}" if rate < 100 else count_in_words(round(rate))


def count_in_words(count: float | None) -> str:
    """A whole number with its thousands set apart by a narrow space; `-` if it is not known."""
    return NOTHING if count is None else f"{round(count):,}".replace(",", "\u202f")


def age_in_words(moment: datetime | None, now: datetime) -> str:
    """The age of a moment, such as `12s ago`; `-` if it is not known."""
    return NOTHING if moment is None else f"{seconds_in_words((now - moment).total_seconds())} ago"


def capitalize_first(text: str) -> str:
    """The text with its first letter in upper case, and the rest as it is."""
    return text[:1].upper() + text[1:]
