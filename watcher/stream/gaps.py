"""Number of times that a watcher has missed changes, and the last time, which outlives its processes and its host."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any

from watcher.log import iso

GAP_SECONDS = 3600.0
"""Shortest time between two gaps. One gap an hour is a misfortune; more are a fault that somebody has to look at."""


class Gaps:
    """Counts gaps. A gap counts once its control message is in Kafka; one whose delivery failed has not happened."""

    def __init__(self, last_at: Any) -> None:
        """`last_at` is the `last_at` of an earlier process; a value that is not a time counts as no gap."""
        self.last_at: str | None = last_at if isinstance(last_at, str) else None
        self.total = 0

    @property
    def allowed(self) -> bool:
        """Return True if the stream may go on with another gap."""
        return not 0 <= time.time() - _seconds(self.last_at) < GAP_SECONDS

    def learn(self, last_at: str | None) -> None:
        """Note the time of a gap that is known elsewhere; the later one counts."""
        self.last_at = max(self.last_at, last_at, key=_seconds)

    def count(self, gaps: int) -> None:
        """Note so many gaps that have just been delivered."""
        if gaps:
            self.total += gaps
            self.last_at = iso(time.time())


def _seconds(moment: str | None) -> float:
    """Turn an ISO 8601 time into seconds since 1970; any other text, and None, count as long ago."""
    try:
        return datetime.fromisoformat(moment or "").timestamp()
    except ValueError:
        return -math.inf
