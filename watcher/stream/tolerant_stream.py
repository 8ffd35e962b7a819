"""A change stream that goes on after what would break it, where the policies allow that, and says what it has cost."""

from __future__ import annotations

import logging
from dataclasses import replace

from watcher.config import Settings
from watcher.errors import PositionLost
from watcher.log import iso
from watcher.stream.change_stream import ChangeStream
from watcher.stream.gaps import Gaps
from watcher.stream.model import Batch, Notice, ResumeToken, token_seconds
from watcher.stream.mongodb_errors import EventTooLarge

logger = logging.getLogger("watcher")


class TolerantStream:
    """A source for the pipeline: a `ChangeStream`, with the policies on_position_lost and on_large_event."""

    def __init__(self, stream: ChangeStream, settings: Settings, gaps: Gaps, *, lost_position: str = "") -> None:
        """`lost_position`: how the saved position was lost, when it's known before that the stream begins with a gap."""
        self._stream = stream
        self._settings = settings
        self._gaps = gaps
        self._lost_position = lost_position
        self._token: ResumeToken = {}
        self._large: ResumeToken | None = None

    def open(self, token: ResumeToken | None) -> Batch:
        """As `ChangeStream.open`; a position that is lost is answered by policy. The batch says where the stream stands."""
        gap_is_known = token is None and self._lost_position
        batch = self._open_after_gap(self._lost_position, None) if gap_is_known else self._open(token)
        self._token = batch.token
        return batch

    def next(self) -> Batch:
        """As `ChangeStream.next`; what breaks the stream is answered by policy. Errors: those, and UndeliverableEvent."""
        try:
            batch = self._next()
        except PositionLost as error:
            batch = self._restart(error, self._token)
        self._token = batch.token
        if self._large and not batch.token["_data"] < self._large["_data"]:
            self._large = None
        return batch

    def _next(self) -> Batch:
        try:
            return self._stream.next(1 if self._large else None)
        except EventTooLarge as error:
            return self._without_documents(error)

    def _open(self, token: ResumeToken | None) -> Batch:
        try:
            return self._stream.standing_at(self._stream.open(token))
        except PositionLost as error:
            return self._restart(error, token)

    def _restart(self, error: PositionLost, token: ResumeToken | None) -> Batch:
        """Go on from now, with a gap that is told; or not, by policy."""
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

    def _without_documents(self, error: EventTooLarge) -> Batch:
        """What comes before the large event one by one, since a whole reply is lost with it; then it, less its documents."""
        if error.token is None or self._settings.on_large_event == "fail":
            raise error
        if self._large is None:
            self._large = error.token
            return self._stream.standing_at(self._stream.open(self._token))
        batch = self._read_bare()
        if batch.events:  # a reply may be empty while the server still looks for the event
            logger.warning("an event is too large; its documents are left out", extra={"eventId": error.token["_data"]})
        self._stream.open(batch.token)
        return batch

    def _read_bare(self) -> Batch:
        """The next event without its documents; without what an update did as well, if it has to be."""
        documents = self._documents()
        try:
            return self._next_without(documents)
        except EventTooLarge:
            return self._next_without((*documents, "updateDescription"))

    def _next_without(self, fields: tuple[str, ...]) -> Batch:
        self._stream.open(self._token, leave_out=fields)
        return replace(self._stream.next(1), missing=fields)

    def _documents(self) -> tuple[str, ...]:
        before_change = self._settings.full_document_before_change != "off"
        return ("fullDocument", "fullDocumentBeforeChange") if before_change else ("fullDocument",)


def gap_notice(reason: str, before: ResumeToken | None, after: ResumeToken) -> Notice:
    """The control message for the changes missed between two positions; `before` is None when that one is gone too."""
    end = token_seconds(after)
    known = {"from": iso(token_seconds(before)), "lastEventId": before["_data"]} if before else {}
    return Notice("gap", end * 1000, {"reason": reason, **known, "to": iso(end)})
