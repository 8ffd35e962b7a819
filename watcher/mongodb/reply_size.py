"""Number of events to request from MongoDB at once, chosen so that a reply is cheap to handle and bounded in memory."""

from __future__ import annotations

REPLY_BYTES = 3 * 1024 * 1024
"""Wanted size of a reply: a transaction's worth, less what JSON adds. MongoDB itself stops only at 16 MB."""

FIRST_EVENTS = 100
"""Events in the first request, when the size of none is known. 2,000 events of 16 kB would fill the largest reply that MongoDB
gives, and be the most that a worker ever holds."""

BACKLOG_BYTES = 2 * REPLY_BYTES
"""Largest reply after which the next one is read ahead. Larger replies are held in memory one at a time."""


class BatchSize:
    """Limit for the next request: at most `highest` events, and about REPLY_BYTES, judged by the last reply's events."""

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self.limit = min(FIRST_EVENTS, highest)

    def learn(self, events: int, size: int) -> None:
        """Note a reply of so many events and bytes. A reply without events says nothing about the next one."""
        if events:
            self.limit = max(1, min(self._highest, REPLY_BYTES * events // size))


def is_backlog(events: int, size: int, limit: int) -> bool:
    """Return True if a reply to a request for `limit` events shows that more events already wait, and it is small enough to read
    ahead."""
    return events == limit and size <= BACKLOG_BYTES
