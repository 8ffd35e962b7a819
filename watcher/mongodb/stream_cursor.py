"""A cursor over raw change events, by plain `aggregate` and `getMore` commands.

These cost less per event than `Database.watch()`, keep the events as raw BSON, and show plainly (cursor id 0) that the server has
closed the stream. Errors are the driver's, UnsupportedServer, and Outage if another replica set answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from bson import Int64, Timestamp
from pymongo.errors import PyMongoError

from watcher.errors import Outage
from watcher.model import ResumeToken, Ticks, token_ticks
from watcher.mongodb.client import CommandSession
from watcher.mongodb.cursor_reply import take_apart
from watcher.mongodb.errors import lacking, understood
from watcher.mongodb.split_events import can_split
from watcher.mongodb.user_stages import Stages

AWAIT_MS = 1000
"""Longest wait of a getMore for the first event, in milliseconds. It bounds how late a request to stop is noticed."""

CLUSTER_DATABASE = "admin"
WHOLE_MONGODB: Mapping[str, Any] = {"allChangesForCluster": True}
"""The database to which a stream over all databases belongs, and the option that makes it one."""

TIME_FIRST = "82"
"""Beginning of every resume token: the type of a cluster time in MongoDB's KeyString. Order and time are read from the tokens."""


class StreamCursor:
    """The cursor of one stream at a time: over one database, or over the whole MongoDB. It may be opened again."""

    def __init__(self, session: CommandSession, database: str | None) -> None:
        """Without a `database` the stream is over the whole MongoDB."""
        self._session = session
        self._database = database or CLUSTER_DATABASE
        self._whole: Mapping[str, Any] = {} if database else WHOLE_MONGODB
        self._id = 0
        self.operation_time: Ticks = (0, 0)
        """The server's time at its last answer."""

    @property
    def has_ended(self) -> bool:
        """Return True if the server has closed the stream."""
        return self._id == 0

    @property
    def splits(self) -> bool:
        """Return True if the server splits events that are too large for it."""
        about = self._session.command("admin", {"buildInfo": 1})
        with understood():
            return can_split(about["versionArray"])

    def open(self, options: Mapping[str, Any], stages: Stages) -> ResumeToken:
        """Open a stream with these options of `$changeStream` and these further stages; returns its position."""
        self.close()
        # This must be the last stage. All streams need it, because the server writes other tokens in a stream that has it.
        split: Stages = [{"$changeStreamSplitLargeEvent": {}}] if self.splits else []
        pipeline = [{"$changeStream": {**options, **self._whole}}, *stages, *split]
        _, token = self._run({"aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": 0}})
        return token

    def read(self, limit: int, wait_ms: int) -> tuple[list[bytes], ResumeToken]:
        """Read at most `limit` events, after a wait of at most `wait_ms` for the first; also returns the position after them."""
        return self._run({"getMore": Int64(self._id), "collection": "$cmd.aggregate", "batchSize": limit, "maxTimeMS": wait_ms})

    def close(self) -> None:
        """Have the server forget the cursor: in a session it would keep each for as long as that lives. It need not succeed."""
        number, self._id = self._id, 0
        if number:
            with contextlib.suppress(PyMongoError, Outage):  # the next command has that error too, if it lasts
                self._session.command(self._database, {"killCursors": "$cmd.aggregate", "cursors": [Int64(number)]})

    def _run(self, command: Mapping[str, Any]) -> tuple[list[bytes], ResumeToken]:
        """Run a command; returns the events of the reply and the server's position after them."""
        reply = self._session.command(self._database, command)
        with understood():
            events, cursor = take_apart(bytes(reply["cursor"].raw))
            self._id = cursor["id"]
            operation_time: Timestamp = reply["operationTime"]
            self.operation_time = (operation_time.time, operation_time.inc)
            token: ResumeToken = cursor["postBatchResumeToken"]
            if not str(token["_data"]).startswith(TIME_FIRST):
                raise lacking(f"its resume tokens are not MongoDB's: {token}")
        return events, token


def start_at(token: ResumeToken) -> Mapping[str, Any]:
    """The `$changeStream` option to start at the time of a resume token."""
    return {"startAtOperationTime": Timestamp(*token_ticks(token))}
