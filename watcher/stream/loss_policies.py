"""A change stream that goes on after errors that would break it, if the policies allow that, and reports the loss."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from bson import json_util
from bson.raw_bson import RawBSONDocument

from watcher.config import Settings
from watcher.errors import Outage, PositionLost
from watcher.log import iso
from watcher.model import Batch, Notice, Position, ResumeToken, token_seconds
from watcher.mongodb.driver_errors import CUT_OFF
from watcher.mongodb.error_codes import LARGE_HINT
from watcher.mongodb.errors import ID_TOO_LARGE_HINT, EventTooLarge, StagesFailed
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.mongodb.split_events import event_token
from watcher.operations import ROW_OPERATIONS
from watcher.stream.gaps import Gaps

KEY_SHOWN = 100
"""Characters of a document's key, and of a token, that an error's text shows."""

HUGE_TOKEN = 16_000
"""Characters from which on a reply may have no room for a token: a reply may be 16 kB larger than an event."""

CAREFULLY = 2000
"""Events to read one at a time after a closed connection: as many as a reply holds that was asked for with the usual batch_size."""

AT_ONCE_MS = 1
"""Wait for an event that is there already."""

BARE_REPLIES = 5
"""Replies to wait for an event without its documents: it may come in fragments, or the server may still be looking for it."""

logger = logging.getLogger("watcher")


class TolerantStream:
    """A source for the pipeline: a `ResumingStream`, with the policies on_position_lost and on_large_event."""

    def __init__(
        self, stream: ResumingStream, settings: Settings, gaps: Gaps, *, lost_position: str = "", cut_off: bool = False
    ) -> None:
        """`lost_position` says how the saved position was lost, if it is known beforehand that the stream begins with a gap.

        `cut_off`: the last stream ended with a closed connection, and a reply that was too large may have been the reason.
        """
        self._stream = stream
        self._settings = settings
        self._gaps = gaps
        self._lost_position = lost_position
        self._token: ResumeToken = {}
        self._one_by_one = min(settings.batch_size, CAREFULLY) if cut_off else 0
        """Number of events still to be read one at a time, because a large one is among them; none is if the stream ends before."""

    def open(self, position: Position) -> Batch:
        """Open as `ChangeStream.open` does; the policy decides about a lost position. The batch holds the stream's position."""
        token = position.token
        gap_is_known = token is None and self._lost_position
        batch = self._open_after_gap(self._lost_position, None) if gap_is_known else self._open(token)
        self._token = batch.token
        return batch

    def next(self, wait_ms: int | None = None) -> Batch:
        """Read as `ChangeStream.next` does; the policies decide about errors that break the stream. Errors: as `ChangeStream.next`;
        UndeliverableEvent."""
        try:
            batch = self._next(wait_ms)
        except PositionLost as error:
            batch = self._restart(error, self._token)
        self._token = batch.token
        return batch

    def _next(self, wait_ms: int | None) -> Batch:
        try:
            batch = self._stream.next(1 if self._one_by_one else None, wait_ms)
        except EventTooLarge as error:
            return self._next_large(error) if self._one_by_one else self._slow_down()
        except StagesFailed:
            return self._next_by_itself()
        except Outage as error:
            if self._one_by_one and error.code == CUT_OFF and self._next_token_is_huge():
                return self._next_large(EventTooLarge("A change event is too large for MongoDB's reply", hint=LARGE_HINT))
            raise
        is_whole = batch.is_whole and not self._one_by_one
        self._one_by_one = 0 if is_at_end(batch) else max(0, self._one_by_one - len(batch.events))
        return replace(batch, is_whole=is_whole)

    def _next_by_itself(self) -> Batch:
        """Read the next event by itself: the user's pipeline fails on it, or on a later one before the next that passes. It is for
        changes of documents, so anything else comes as it is."""
        with self._stream.bare():
            batch = self._next_without(())
        for event in filter(is_of_document, batch.events):
            try:
                batch = replace(batch, events=self._passing(event_token(event)))
            except StagesFailed as error:
                if self._settings.on_transform_error == "fail":
                    raise StagesFailed(f"{error}: {described(event)}", hint=error.hint) from error
                logger.warning("the pipeline fails on an event: %s", error, extra={"eventId": event_token(event)["_data"]})
                batch = replace(batch, failed=True)
        self._stream.open(batch.token)
        return batch

    def _passing(self, token: ResumeToken) -> Sequence[bytes]:
        """Read the event of `token` as the pipeline makes it; nothing if it does not pass. Errors: StagesFailed."""
        with self._stream.only(token):
            reached = self._stream.open(self._token)
            while reached["_data"] < token["_data"]:
                batch = self._stream.next(1, AT_ONCE_MS)
                if batch.events:
                    return batch.events
                reached = batch.token
        return ()

    def _open(self, token: ResumeToken | None) -> Batch:
        try:
            return self._stream.standing_at(self._stream.open(token))
        except PositionLost as error:
            return self._restart(error, token)

    def _restart(self, error: PositionLost, token: ResumeToken | None) -> Batch:
        """Go on from now with a reported gap, or raise `error`, as the policy says."""
        if token is None or self._settings.on_position_lost == "fail" or not self._gaps.allowed:
            raise self._advised(error, token) from error
        return self._open_after_gap(str(error), token)

    def _open_after_gap(self, reason: str, before: ResumeToken | None) -> Batch:
        after = self._stream.open_now()
        logger.warning("changes are missing up to now: %s", reason)
        return replace(self._stream.standing_at(after), notices=[gap_notice(reason, before, after)])

    def _advised(self, error: PositionLost, token: ResumeToken | None) -> PositionLost:
        if token is None:
            return error
        oldest = self._stream.oldest_oplog_seconds()
        known = f" MongoDB's oldest change is of {iso(oldest)}." if oldest else ""
        again = "" if self._gaps.allowed else f" There was a gap at {self._gaps.last_at} already, within the hour."
        return PositionLost(f"{error}. The position is of {iso(token_seconds(token))}.{known}{again}", hint=error.hint)

    def _slow_down(self) -> Batch:
        """Read one by one from here. A large event costs the whole reply, and only an event read alone is known to be the one."""
        self._one_by_one = self._settings.batch_size
        return replace(self._stream.standing_at(self._stream.open(self._token)), is_whole=False)

    def _next_token_is_huge(self) -> bool:
        """Return True if the connection was closed because of the next event, and not by chance twice."""
        with contextlib.suppress(EventTooLarge):
            return any(len(event_token(event)["_data"]) >= HUGE_TOKEN for event in self._read_bare().events)
        return False

    def _next_large(self, error: EventTooLarge) -> Batch:
        """Read the next event, which is too large, without its documents."""
        batch = self._read_bare()
        for event in batch.events:
            if self._settings.on_large_event == "fail":
                raise EventTooLarge(f"{error}: {described(event)}", hint=error.hint)
            logger.warning("an event is too large; its documents are left out", extra={"eventId": event_token(event)["_data"]})
            self._one_by_one = 0
        self._stream.open(batch.token)
        return batch

    def _read_bare(self) -> Batch:
        """Read the next event without its documents; if necessary, without the description of the update too."""
        documents = self._documents()
        try:
            return self._next_without(documents)
        except EventTooLarge:
            return self._read_barest((*documents, "updateDescription"))

    def _read_barest(self, fields: tuple[str, ...]) -> Batch:
        try:
            return self._next_without(fields)
        except EventTooLarge as error:
            raise EventTooLarge(f"{error}, even without {', '.join(fields)}", hint=ID_TOO_LARGE_HINT) from error

    def _next_without(self, fields: tuple[str, ...]) -> Batch:
        self._stream.open(self._token, leave_out=fields)
        for _ in range(BARE_REPLIES):
            batch = self._next_bare()
            if batch.events or is_at_end(batch):
                break
        return replace(batch, missing=fields, is_whole=False)

    def _next_bare(self) -> Batch:
        try:
            return self._stream.next(1)
        except Outage as error:
            if error.code == CUT_OFF:  # right after it opened a stream: so the server is alive
                raise EventTooLarge("A change event is too large for MongoDB's reply", hint=LARGE_HINT) from error
            raise

    def _documents(self) -> tuple[str, ...]:
        before_change = self._settings.full_document_before_change != "off"
        return ("fullDocument", "fullDocumentBeforeChange") if before_change else ("fullDocument",)


def is_at_end(batch: Batch) -> bool:
    """Return True if there were no more events when MongoDB answered, and not only none that it had found so far."""
    return not batch.events and batch.is_whole and token_seconds(batch.token) >= batch.server_seconds


def is_of_document(event: bytes) -> bool:
    """Return True if a raw change event is the change of a document."""
    return RawBSONDocument(event)["operationType"] in ROW_OPERATIONS


def described(event: bytes) -> str:
    """Describe a raw change event for an error: the operation and the key of the document, without the document."""
    fields = RawBSONDocument(event)
    key = json_util.dumps(fields["documentKey"])[:KEY_SHOWN]
    return f"the {fields['operationType']} of {key} in {fields['ns']['coll']}, event {event_token(event)['_data'][:KEY_SHOWN]}"


def gap_notice(reason: str, before: ResumeToken | None, after: ResumeToken) -> Notice:
    """Make the control message for the changes missed between two positions. `before` is None if that position is gone too."""
    end = token_seconds(after)
    known = {"from": iso(token_seconds(before)), "lastEventId": before["_data"]} if before else {}
    return Notice("gap", end * 1000, {"reason": reason, **known, "to": iso(end)})
