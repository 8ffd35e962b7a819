"""Number of times that a watcher has missed changes, and the last time, which outlives its processes."""

from __future__ import annotations

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
        try:
            last = datetime.fromisoformat(self.last_at or "").timestamp()
        except ValueError:
            return True
        return not 0 <= time.time() - last < GAP_SECONDS

    def count(self, gaps: int) -> None:
        """Note so many gaps that have just been delivered."""
        if gaps:
            self.total += gaps
            self.last_at = iso(time.time())
