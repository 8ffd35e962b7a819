"""Time for which Kafka holds back a worker's writes, because a quota is used up."""

from __future__ import annotations

import time
from collections import deque

RECENT_SECONDS = 60.0


class Throttling:
    """Sums of what brokers have told with their answers. One thread adds, and another reads."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """All of it, since the process was started."""
        self._told: deque[tuple[float, float]] = deque(maxlen=1024)

    def add(self, seconds: float) -> None:
        """Add a time, in seconds, for which a broker now reads nothing that the worker sends."""
        self.seconds += seconds
        self._told.append((time.monotonic(), seconds))

    def recent(self) -> float:
        """Return the seconds told within the last RECENT_SECONDS, and no more than these: several brokers may hold back at once."""
        since = time.monotonic() - RECENT_SECONDS
        return min(RECENT_SECONDS, sum(seconds for at, seconds in list(self._told) if at >= since))
