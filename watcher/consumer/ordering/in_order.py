"""Restores the order of messages from several partitions. Pure."""

from __future__ import annotations

import heapq

from watcher.consumer.delivered import DeliveredMessage

PATIENCE_S = 3.0
"""Longest time that a message waits for earlier ones, in seconds. It gives a new topic time to be found. Messages that were deleted
never come.
"""


class InOrder:
    """Releases messages in the order of `sequence`. `next_sequence` is the first number expected; None accepts any."""

    def __init__(self, next_sequence: int | None = None) -> None:
        self._next = next_sequence
        self._waiting: list[tuple[int, int, float, DeliveredMessage]] = []
        self._arrivals = 0

    def add(self, delivered: DeliveredMessage, now: float) -> None:
        """Add a message that arrived at `now`, in seconds of any clock."""
        self._arrivals += 1
        heapq.heappush(self._waiting, (delivered.sequence, self._arrivals, now, delivered))

    def ready(self, now: float) -> list[DeliveredMessage]:
        """Return the messages whose turn it is, and those that have waited for PATIENCE_S."""
        released = []
        while self._waiting and self._is_due(now):
            number, _, _, delivered = heapq.heappop(self._waiting)
            self._next = max(number + 1, self._next or 0)
            released.append(delivered)
        return released

    def _is_due(self, now: float) -> bool:
        number, _, arrived, _ = self._waiting[0]
        return self._next is None or number <= self._next or now - arrived >= PATIENCE_S
