"""MongoDB's change stream as batches of raw change events.

This module does not resume a stream, except on the primary after a secondary has lost the position: the caller that gets an
`Outage` opens again from the last committed position.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bson import Timestamp

from watcher.config import Settings
from watcher.errors import NotPermitted, PositionLost
from watcher.model import Batch, ResumeToken
from watcher.mongodb.client import CommandSession
from watcher.mongodb.cursor_reply import BatchSize, is_backlog
from watcher.mongodb.errors import EventNotFound, QueryRefused, StagesFailed, translated
from watcher.mongodb.event_search import find_event
from watcher.mongodb.field_exclusion import exclusion_stages
from watcher.mongodb.oplog_reader import oldest_entry, read_oplog
from watcher.mongodb.selection import after_stage, event_stage, operations_stage, scope_stage
from watcher.mongodb.split_events import FragmentJoiner, event_token
from watcher.mongodb.stream_cursor import AWAIT_MS, StreamCursor, start_at
from watcher.mongodb.user_stages import FAILED_HINT, Stages, refusals_named, user_stages
from watcher.oplog import Oplog

OPLOG_SECONDS = 30.0
"""Interval between two questions about the oplog; each takes mongod some milliseconds."""

QUOTED = re.compile(r"['\"].*", re.DOTALL)
"""Text that MongoDB quotes in an error about an expression, and what follows: most likely a value of a document."""

Opened = TypeVar("Opened")

logger = logging.getLogger("watcher")


class ChangeStream:
    """The change stream of a watcher's scope, from one position on: of one database, or of the whole MongoDB."""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI or the pipeline cannot be used."""
        self._settings = settings
        self._users = user_stages(settings.pipeline)
        self.session = CommandSession(settings)
        """All that this stream asks of MongoDB goes to one member, in this session."""
        self._cursor = StreamCursor(self.session, settings.scope.single)
        self._reached: ResumeToken = {}
        self._left_out: Sequence[str] = ()
        self._after: Stages = ()
        self._size = BatchSize(settings.batch_size)
        self._oplog_due = 0.0
        self._oplog: Oplog | None = None

    def open(self, token: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
        """Open after `token`, or at `start_from` if there is no token; returns the position of the stream.

        The events come without the top-level fields named in `leave_out`.

        Errors: Outage, PositionLost, NotPermitted, UnsupportedServer.
        """
        self._left_out, self._after = leave_out, ()
        return self._from_a_member(lambda: self._open_at(token))

    def open_by_time(self, token: ResumeToken, leave_out: Sequence[str] = ()) -> ResumeToken:
        """Open as `open` does, but `token` need not belong to an event of this stream.

        MongoDB starts before all events of the token's time; a stage drops the events up to the token. There are several of them
        if the time is that of a transaction. The caller must know that MongoDB still holds that time, because a younger replica
        set opens without an error.
        """
        self._left_out, self._after = leave_out, [after_stage(token)]
        return self._from_a_member(lambda: self._open_from(token))

    def find(self, token: ResumeToken) -> ResumeToken | None:
        """Find the event of `token` in the oplog, whether the scope has it or not; returns its token as the server writes it
        now, None if there is no such event.

        Call `open` afterwards, not `next`. Errors: as `open`.
        """
        return self._from_a_member(lambda: find_event(self.session, self._settings.scope.single, token))

    def open_now(self) -> ResumeToken:
        """Open at the present; returns that position. Errors: as `open`."""
        self._left_out, self._after = (), ()
        with translated():
            return self._open({})

    def next(self, limit: int | None = None, wait_ms: int | None = None) -> Batch:
        """Read the next change events: at most `limit`, or `batch_size` by default. Waits for the first at most `wait_ms`, by
        default a second.

        Errors: Outage, PositionLost, NotPermitted, EventTooLarge, UndeliverableEvent.
        """
        try:
            batch = self._next(limit or self._size.limit, wait_ms or AWAIT_MS)
        except EventNotFound:
            raise  # it is the filter's fault, most likely, and not the member's
        except PositionLost as error:
            self._turn_to_primary(error)
            self._open_at(self._reached)
            batch = self._next(limit or self._size.limit, wait_ms or AWAIT_MS)
        self._reached = batch.token
        return batch

    @contextlib.contextmanager
    def bare(self) -> Iterator[None]:
        """Open, within the block, without the user's stages."""
        with self._with_stages([]):
            yield

    @contextlib.contextmanager
    def only(self, token: ResumeToken) -> Iterator[None]:
        """Open, within the block, for the one event of a token. The user's stages tell whether it comes."""
        with self._with_stages([event_stage(token), *self._users]):
            yield

    @contextlib.contextmanager
    def _with_stages(self, stages: Stages) -> Iterator[None]:
        self._users, usual = stages, self._users
        try:
            yield
        finally:
            self._users = usual

    def _next(self, limit: int, wait_ms: int) -> Batch:
        try:
            with translated(query=bool(self._users)):
                events, token = self._cursor.read(limit, wait_ms)
        except QueryRefused as error:
            text = QUOTED.sub("…", str(error))
            raise StagesFailed(f"The pipeline fails on a change event: {text}", hint=FAILED_HINT) from error
        if time.monotonic() >= self._oplog_due:
            with translated():
                self._oplog = self.oplog()
        size = sum(map(len, events))
        self._size.learn(len(events), size)
        whole, token = self._joiner.join(events, token)
        ended = self._cursor.has_ended
        more = not ended and is_backlog(len(events), size, limit)
        is_whole = not self._joiner.is_waiting
        batch = self.standing_at(token)
        return replace(batch, events=whole, ended=ended, more=more, size=size, token_of=event_token, is_whole=is_whole)

    def standing_at(self, token: ResumeToken) -> Batch:
        """Return a batch without events, at `token`."""
        reached = self._cursor.operation_time
        return Batch((), token, reached[0], oplog=self._oplog, operation_time=reached)

    def oplog(self) -> Oplog | None:
        """Read the state of MongoDB's oplog; None without the role clusterMonitor, or on a router. Errors: Outage."""
        self._oplog_due = time.monotonic() + OPLOG_SECONDS
        return read_oplog(self.session)

    def oldest_oplog_seconds(self) -> int | None:
        """Read the time of the primary's oldest oplog entry, in seconds since 1970; None if it does not tell. Errors: Outage."""
        self.session.turn_to_primary()
        oldest = oldest_entry(self.session)
        return oldest.time if oldest else None

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    @property
    def splits(self) -> bool:
        """Return True if the server splits events that are too large for it. Errors: as `open`."""
        with translated():
            return self._cursor.splits

    def _from_a_member(self, opening: Callable[[], Opened]) -> Opened:
        """Call `opening`, and again on the primary if the position is lost. Members have oplogs of different lengths: one that has
        just been resynchronised holds nothing from before."""
        try:
            return opening()
        except EventNotFound:
            raise
        except PositionLost as error:
            self._turn_to_primary(error)
            return opening()

    def _turn_to_primary(self, error: PositionLost) -> None:
        if not self.session.turn_to_primary():
            raise error
        logger.warning("the member that is read from has lost the position; trying the primary: %s", error)

    def _open_at(self, token: ResumeToken | None) -> ResumeToken:
        with translated(after_token=token is not None):
            # startAfter, not resumeAfter, because it also accepts the token of an invalidate event.
            return self._open({"startAfter": dict(token)} if token else self._first_start())

    def _open(self, start: Mapping[str, Any]) -> ResumeToken:
        with refusals_named(self._settings.pipeline, lambda stages: self._cursor.open({}, stages)):
            self._reached = self._cursor.open(self._options(start), self._stages())
        self._joiner = FragmentJoiner(self._reached)
        return self._reached

    def _open_from(self, token: ResumeToken) -> ResumeToken:
        with translated(after_token=True):
            return self._open(start_at(token))

    def _options(self, start: Mapping[str, Any]) -> Mapping[str, Any]:
        options = {**start, "fullDocument": self._settings.full_document}
        if self._settings.full_document_before_change != "off":
            options["fullDocumentBeforeChange"] = self._settings.full_document_before_change
        return options

    def _stages(self) -> Stages:
        wanted = scope_stage(self._settings.scope)
        operations = operations_stage(self._settings.exclude_operations)
        exclusions = exclusion_stages(self._settings.exclude_fields, self._settings.scope)
        unset = [{"$unset": [*self._left_out]}] if self._left_out else []
        # The user's stages may ask for a document that is left out only because of its size.
        return [*wanted, *operations, *self._after, *exclusions, *self._users, *unset]

    def _first_start(self) -> dict[str, Any]:
        """The `$changeStream` option for a stream that has no position yet."""
        start_from = self._settings.start_from
        if start_from == "now":
            return {}
        if start_from == "earliest":
            self.session.turn_to_primary()  # another member may have been synchronised anew, and know nothing from before
            oldest = oldest_entry(self.session)
            if oldest is None:
                raise NotPermitted(
                    'start_from = "earliest" needs to know the oldest oplog entry.',
                    hint="Grant the role clusterMonitor, or give a time instead.",
                )
            return {"startAtOperationTime": oldest}  # not a moment earlier: that may be gone
        return {"startAtOperationTime": Timestamp(int(start_from.timestamp()), 1)}
