"""Replies of a cursor: how many events to ask for, so that a reply is cheap to handle and bounded in memory, and taking it apart
without decoding the events in it. This is part of the hot path.

Cutting up the bytes of the reply costs about half as much as pymongo's way, a `RawBSONDocument` for each event
(docs/performance.md).
"""

from __future__ import annotations

from typing import Any

import bson

from watcher.bson_elements import ARRAY, LENGTH, document, documents, elements, name_of

REPLY_BYTES = 3 * 1024 * 1024
"""Wanted size of a reply: a transaction's worth, less what JSON adds. MongoDB itself stops only at 16 MB."""

FIRST_EVENTS = 100
"""Events in the first request, when the size of none is known. 2,000 events of 16 kB would fill the largest reply that MongoDB
gives, and be the most that a worker ever holds."""

BACKLOG_BYTES = 2 * REPLY_BYTES
"""Largest reply after which the next one is read ahead. Larger replies are held in memory one at a time."""

BATCHES = ("firstBatch", "nextBatch")


def take_apart(cursor: bytes) -> tuple[list[bytes], dict[str, Any]]:
    """Split a reply's `cursor` into the batch, as raw BSON documents, and the cursor's other fields, decoded.

    Errors: ValueError if it contains no batch; InvalidBSON.
    """
    for element in elements(cursor, 0):
        if element.kind == ARRAY and name_of(cursor, element) in BATCHES:
            others = cursor[LENGTH : element.start] + cursor[element.end : -1]
            return documents(cursor, element.value), bson.decode(document(others))
    raise ValueError("the reply has no batch")


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
