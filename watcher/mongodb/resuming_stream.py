"""A change stream that resumes after any position whose event MongoDB still holds, even if the stream's own filter drops it.

A resume token works only in a stream that contains its event. It stops working when the settings change (a collection is no longer
watched), and when a split event now comes whole or the reverse (its document has changed, or other documents are requested). The
stream is then opened at the token's time. The events that follow are the same, so a position is lost only if its event is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from watcher.config import Settings
from watcher.errors import WatcherError
from watcher.model import Batch, ResumeToken
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.errors import EventNotFound, EventTooLarge, StagesFailed

logger = logging.getLogger("watcher")


class ResumingStream(ChangeStream):
    """A `ChangeStream` that raises PositionLost only if MongoDB no longer holds the event of the position."""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI cannot be used."""
        super().__init__(settings)
        self._unproven: ResumeToken | None = None
        """The token after which the stream was opened, until an event has arrived: only then has the server looked for it."""
        self._leave_out: Sequence[str] = ()
        self._token: ResumeToken = {}

    def open(self, token: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
        """Open as `ChangeStream.open` does."""
        self._unproven, self._leave_out, self._token = token, leave_out, token or {}
        try:
            self._token = super().open(token, leave_out)
        except EventNotFound as error:
            self._open_otherwise(error)
        return self._token

    def open_now(self) -> ResumeToken:
        """Open as `ChangeStream.open_now` does."""
        self._unproven, self._leave_out = None, ()
        self._token = super().open_now()
        return self._token

    def next(self, limit: int | None = None, wait_ms: int | None = None) -> Batch:
        """Read as `ChangeStream.next` does."""
        try:
            batch = super().next(limit, wait_ms)
        except (EventNotFound, EventTooLarge) as error:
            self._open_otherwise(error)
            batch = super().next(limit, wait_ms)
        if batch.events:
            self._unproven = None
        elif batch.token["_data"] < self._token["_data"]:  # opened by time, and not yet past the position
            batch = replace(batch, token=self._token)
        self._token = batch.token
        return batch

    def try_open(self, token: ResumeToken | None) -> ResumeToken:
        """Open as `open` does, and read once: some positions are refused only then. Errors: those of both, except EventTooLarge and
        StagesFailed."""
        opened = self.open(token)
        with contextlib.suppress(EventTooLarge, StagesFailed):  # the worker has policies for those
            self.next(1)
        return opened

    def try_by_time(self, token: ResumeToken) -> ResumeToken:
        """Open at the time of a token of another stream, and read once, as `try_open` does; returns the position before all events
        of that time."""
        self._unproven, self._leave_out = None, ()
        self._token = opened = self.open_by_time(token)
        with contextlib.suppress(EventTooLarge, StagesFailed):
            self.next(1)
        return opened

    def _open_otherwise(self, error: WatcherError) -> None:
        """Open by time, once, if the event of the position itself may have failed; otherwise raise `error`."""
        token, self._unproven = self._unproven, None
        # Only a server that splits events measures an event again that it has already delivered.
        if token is None or (isinstance(error, EventTooLarge) and not self.splits) or not (found := self.find(token)):
            raise error
        logger.info("the event of the position does not come any more as it did; going on by its time")
        self.open_by_time(found if self._token == token else self._token, self._leave_out)
