"""A change stream that goes on after any position whose event MongoDB still holds, also where its own filter leaves that event out.

A resume token works only in a stream that has its event. That is not so any more after the settings have changed (a collection is
no longer watched), nor where a split event comes whole or the reverse (its document has changed, or which documents are asked for).
Then the stream is opened by the token's time. What follows is the same, so a position is lost only if its event is.
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
from watcher.mongodb.errors import EventNotFound, EventTooLarge

logger = logging.getLogger("watcher")


class ResumingStream(ChangeStream):
    """As `ChangeStream`, but it raises PositionLost only if MongoDB no longer holds the event of the position."""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI cannot be used."""
        super().__init__(settings)
        self._unproven: ResumeToken | None = None
        """The token after which it was opened, until an event has come: the server looks for it no sooner."""
        self._leave_out: Sequence[str] = ()
        self._token: ResumeToken = {}

    def open(self, token: ResumeToken | None, leave_out: Sequence[str] = ()) -> ResumeToken:
        """As `ChangeStream.open`."""
        self._unproven, self._leave_out, self._token = token, leave_out, token or {}
        try:
            self._token = super().open(token, leave_out)
        except EventNotFound as error:
            self._open_otherwise(error)
        return self._token

    def open_now(self) -> ResumeToken:
        """As `ChangeStream.open_now`."""
        self._unproven, self._leave_out = None, ()
        self._token = super().open_now()
        return self._token

    def next(self, limit: int | None = None) -> Batch:
        """As `ChangeStream.next`."""
        try:
            batch = super().next(limit)
        except (EventNotFound, EventTooLarge) as error:
            self._open_otherwise(error)
            batch = super().next(limit)
        if batch.events:
            self._unproven = None
        elif batch.token["_data"] < self._token["_data"]:  # opened by time, and not past the position yet
            batch = replace(batch, token=self._token)
        self._token = batch.token
        return batch

    def try_open(self, token: ResumeToken | None) -> ResumeToken:
        """As `open`, and reads on once: some positions are refused only then. Errors: those of both, but EventTooLarge."""
        opened = self.open(token)
        with contextlib.suppress(EventTooLarge):  # the worker has a policy for those
            self.next(1)
        return opened

    def _open_otherwise(self, error: WatcherError) -> None:
        """By time, once, if what failed may be the event of the position itself; else raises `error`."""
        token, self._unproven = self._unproven, None
        # Only where it splits does the server measure again what it has delivered already.
        if token is None or (isinstance(error, EventTooLarge) and not self.splits) or not (found := self.find(token)):
            raise error
        logger.info("the event of the position does not come any more as it did; going on by its time")
        self.open_by_time(found if self._token == token else self._token, self._leave_out)
