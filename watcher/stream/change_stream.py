"""MongoDB's change stream as batches of raw change events. With its errors' translation, all that knows pymongo in the data path.

The stream is read by `aggregate` and `getMore` themselves instead of `Database.watch()`: that costs 3 µs an event instead of 10,
keeps the events as raw BSON, and shows plainly (cursor id 0) when the server has closed the stream. There is no resuming in
here: whoever gets an `Outage` opens again from the last committed position.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bson import Int64, Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from watcher.config import Settings
from watcher.errors import NotPermitted
from watcher.stream.batch_size import BatchSize, is_backlog
from watcher.stream.cursor_reply import take_apart
from watcher.stream.field_exclusion import exclusion_stages
from watcher.stream.model import Batch, ResumeToken, token_ticks
from watcher.stream.mongodb_client import connect
from watcher.stream.mongodb_errors import translated
from watcher.stream.selection import after_stage, event_stage, match_stage
from watcher.stream.split_events import FragmentJoiner, event_token

AWAIT_MS = 1000
"""How long a getMore waits for the first event; it bounds how late a request to stop is noticed."""

FIND_SECONDS = 5.0
"""How long to look for an event whose time is known. It's over sooner, unless that time is still to come, as it may be in a token
of another MongoDB."""

OPLOG_SECONDS = 30.0
"""How often to ask for the oldest oplog entry; serverStatus takes mongod 2 ms."""

Stages = Sequence[Mapping[str, Any]]

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class ChangeStream:
    """The change stream of one database, from one position on."""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI cannot be used."""
        self._settings = settings
        self._client = connect(settings)
        self._database = self._client[settings.database]
        # The server lets no other session use the cursor, so aggregate and getMore share one.
        self._session = self._client.start_session()
        self._cursor_id = 0
        self._size = BatchSize(settings.batch_size)
        self._oplog_due = 0.0
        self._oldest_oplog_seconds: int | None = None

    def open(self, token: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
        """Open after `token`, or where `start_from` says; returns the position at which the stream stands.

        The events come without the top-level fields that are named in `leave_out`.

        Errors: Outage, PositionLost, NotPermitted, UnsupportedServer.
        """
        with translated(after_token=token is not None):
            # startAfter rather than resumeAfter: it takes the token of an invalidate as well.
            return self._open({"startAfter": dict(token)} if token else self._first_start(), leave_out)

    def open_by_time(self, token: ResumeToken, leave_out: Sequence[str] = ()) -> None:
        """As `open`, but `token` need not be that of an event of this stream.

        MongoDB starts before all events of the token's time, and those up to it are left out: several if they are of one
        transaction. Whether MongoDB still has that time is for the caller to know: a replica set that is younger starts too.
        """
        with translated(after_token=True):
            self._open(start_at(token), leave_out, [after_stage(token)])

    def find(self, token: ResumeToken) -> ResumeToken | None:
        """The event of `token` in the oplog, selected by the settings or not: its token as the server writes it now.

        No `next` may follow, but an `open`. Errors: as `open`.
        """
        deadline = time.monotonic() + FIND_SECONDS
        with translated(after_token=True):
            self._aggregate([{"$changeStream": start_at(token)}, event_stage(token), {"$project": {"_id": 1}}])
            while time.monotonic() < deadline:
                events, reached = self._read(self._get_more(1))
                if events or reached["_data"] > token["_data"]:
                    return event_token(events[0]) if events else None
        return None

    def open_now(self) -> ResumeToken:
        """Open at the present; returns that position. Errors: as `open`."""
        with translated():
            return self._open({})

    def next(self, limit: int | None = None) -> Batch:
        """The next change events, at most `limit` or else `batch_size`. Waits at most a second for the first one.

        Errors: Outage, PositionLost, NotPermitted, EventTooLarge.
        """
        limit = limit or self._size.limit
        with translated():
            events, token = self._read(self._get_more(limit))
            if time.monotonic() >= self._oplog_due:
                self._oldest_oplog_seconds = self.oldest_oplog_seconds()
        size = sum(map(len, events))
        self._size.learn(len(events), size)
        whole, token = self._joiner.join(events, token)
        ended = self._cursor_id == 0
        more = not ended and is_backlog(len(events), size, limit)
        return replace(self.standing_at(token), events=whole, ended=ended, more=more, size=size)

    def standing_at(self, token: ResumeToken) -> Batch:
        """A batch without events, at `token`."""
        return Batch((), token, server_seconds=self._server_seconds, oldest_oplog_seconds=self._oldest_oplog_seconds)

    def oldest_oplog_seconds(self) -> int | None:
        """The time of the oldest oplog entry, in seconds since 1970; None without the role clusterMonitor, or on a router.

        Errors: Outage.
        """
        self._oplog_due = time.monotonic() + OPLOG_SECONDS
        oldest = self._oldest_oplog_entry()
        return oldest.time if oldest else None

    def close(self) -> None:
        """Give the connection back; the server drops the cursor with the session."""
        self._session.end_session()
        self._client.close()

    @property
    def splits(self) -> bool:
        """Whether the server splits what is too large for it. Errors: as pymongo's."""
        return can_split(self._client.server_info()["versionArray"])

    def _open(self, start: Mapping[str, Any], leave_out: Sequence[str] = (), after: Stages = ()) -> ResumeToken:
        token = self._aggregate(self._pipeline(start, leave_out, after))
        self._joiner = FragmentJoiner(token)
        return token

    def _aggregate(self, stages: Stages) -> ResumeToken:
        # It has to be the last; and there for all streams, since the server writes its tokens otherwise where it is.
        split: Stages = [{"$changeStreamSplitLargeEvent": {}}] if self.splits else []
        _, token = self._read({"aggregate": 1, "pipeline": [*stages, *split], "cursor": {"batchSize": 0}})
        return token

    def _pipeline(self, start: Mapping[str, Any], leave_out: Sequence[str], after: Stages) -> Stages:
        stage = {**start, "fullDocument": self._settings.full_document}
        if self._settings.full_document_before_change != "off":
            stage["fullDocumentBeforeChange"] = self._settings.full_document_before_change
        wanted = match_stage(self._settings.watch_collections, self._settings.exclude_collections)
        exclusions = exclusion_stages(self._settings.exclude_fields)
        unset = [{"$unset": [*leave_out]}] if leave_out else []
        return [{"$changeStream": stage}, *wanted, *after, *exclusions, *unset]

    def _oldest_oplog_entry(self) -> Timestamp | None:
        try:
            with translated():
                status = self._client.admin.command({"serverStatus": 1, "oplog": 1})
        except NotPermitted:
            return None
        oldest: Timestamp | None = status.get("oplog", {}).get("earliestOptime")
        return oldest

    def _get_more(self, limit: int) -> dict[str, Any]:
        return {"getMore": Int64(self._cursor_id), "collection": "$cmd.aggregate", "batchSize": limit, "maxTimeMS": AWAIT_MS}

    def _first_start(self) -> dict[str, Any]:
        """The option for a stream that has no position yet."""
        start_from = self._settings.start_from
        if start_from == "now":
            return {}
        if start_from == "earliest":
            oldest = self._oldest_oplog_entry()
            if oldest is None:
                raise NotPermitted(
                    'start_from = "earliest" needs to know the oldest oplog entry.',
                    hint="Grant the role clusterMonitor, or give a time instead.",
                )
            return {"startAtOperationTime": oldest}  # not a moment before it: that may be gone
        return {"startAtOperationTime": Timestamp(int(start_from.timestamp()), 1)}

    def _read(self, command: dict[str, Any]) -> tuple[list[bytes], ResumeToken]:
        """The events of the reply, and the server's position after them."""
        reply = self._database.command(command, session=self._session, codec_options=RAW)
        events, cursor = take_apart(bytes(reply["cursor"].raw))
        self._cursor_id = cursor["id"]
        self._server_seconds: int = reply["operationTime"].time
        return events, cursor["postBatchResumeToken"]


def start_at(token: ResumeToken) -> Mapping[str, Any]:
    """The option for a stream from the time of a token on."""
    return {"startAtOperationTime": Timestamp(*token_ticks(token))}


def can_split(version: Sequence[int]) -> bool:
    """Whether a server of this version knows `$changeStreamSplitLargeEvent`: 7.0 and newer, and 6.0 from 6.0.9 on."""
    major, minor, patch = version[:3]
    return major >= 7 or ((major, minor) == (6, 0) and patch >= 9)
