"""How many events to ask MongoDB for at once, so that a reply has a size that is cheap to handle and bounded in memory."""

from __future__ import annotations

REPLY_BYTES = 3 * 1024 * 1024
"""What a reply should hold: a transaction's worth, less what JSON adds. MongoDB itself stops at 16 MB only."""

FIRST_EVENTS = 100
"""Before the size of any is known: 2,000 of 16 kB would be as much as MongoDB gives at once, and the most a worker ever holds."""

BACKLOG_BYTES = 2 * REPLY_BYTES
"""Replies up to this size are read ahead of; memory has to hold larger ones one by one."""


class BatchSize:
    """At most `highest` events, and about REPLY_BYTES, judged by the events of the last reply."""

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self.limit = min(FIRST_EVENTS, highest)

    def learn(self, events: int, size: int) -> None:
        """So many have come, of so many bytes. A reply with none says nothing of those to come."""
        if events:
            self.limit = max(1, min(self._highest, REPLY_BYTES * events // size))


def is_backlog(events: int, size: int, limit: int) -> bool:
    """Whether a reply to a request for `limit` events says that the next ones are there already, and it's small enough."""
    return events == limit and size <= BACKLOG_BYTES
