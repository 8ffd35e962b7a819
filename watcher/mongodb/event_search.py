"""Search for the event of a resume token in the oplog, whether a watcher's own stream has that event or not."""

from __future__ import annotations

import contextlib
import time

from watcher.errors import NotPermitted, Outage
from watcher.model import ResumeToken, token_ticks
from watcher.mongodb.client import CommandSession
from watcher.mongodb.errors import translated
from watcher.mongodb.selection import event_stage
from watcher.mongodb.split_events import event_token
from watcher.mongodb.stream_cursor import AWAIT_MS, StreamCursor, start_at

FIND_SECONDS = 5.0
"""Longest search for an event whose time is known. A token beyond that time ends it sooner; without one it proves nothing."""


def find_event(session: CommandSession, database: str | None, token: ResumeToken) -> ResumeToken | None:
    """Return the token of the event of `token` as the server writes it now; None if there is no such event.

    The search is in the `database`, None for all, and then in the whole MongoDB: the position may have been that of a watcher of
    several databases. Errors: Outage, PositionLost, NotPermitted, UnsupportedServer.
    """
    found = _search(StreamCursor(session, database), token)
    if found or database is None:
        return found
    try:
        return _search(StreamCursor(session, None), token)
    except NotPermitted:
        return None  # without the right to do so, nothing is found


def _search(cursor: StreamCursor, token: ResumeToken) -> ResumeToken | None:
    deadline = time.monotonic() + FIND_SECONDS
    with contextlib.closing(cursor), translated(after_token=True):
        cursor.open(start_at(token), [event_stage(token), {"$project": {"_id": 1}}])
        while time.monotonic() < deadline:
            events, reached = cursor.read(1, AWAIT_MS)
            if events:
                return event_token(events[0])
            if reached["_data"] > token["_data"] or token_ticks(token)[0] > cursor.operation_time[0]:
                return None
    raise Outage(
        "MongoDB is still looking for the event of the position.",
        hint="Its oplog is long, or the machine is busy. The worker keeps trying.",
        component="mongodb",
        code="SearchUnfinished",
    )
