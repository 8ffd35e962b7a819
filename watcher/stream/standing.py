"""Where the stream stands, by MongoDB's own clock: how far behind it is, and how long it could be away."""

from __future__ import annotations

import time

from watcher.stream.model import Batch, ResumeToken, token_seconds

SERVER_SILENT_SECONDS = 5.0
"""A stream that is read answers every second; after this long the server's time is reckoned on from its last answer."""


class Standing:
    """The server's time beside that of the position; seconds since 1970, None while unknown."""

    def __init__(self) -> None:
        self.saved_seconds: int | None = None
        """The time of the committed position."""
        self.polled_at: float | None = None
        """When MongoDB answered last, by this host's clock."""
        self._delivered_seconds: int | None = None
        self._server: tuple[int, float] | None = None
        self._oldest_oplog_seconds: int | None = None

    def answered(self, batch: Batch) -> None:
        """MongoDB has answered; without events that means that all is delivered up to now."""
        self.polled_at = time.time()
        self._server = (batch.server_seconds, time.monotonic())
        self._oldest_oplog_seconds = batch.oldest_oplog_seconds
        if not batch.events:
            self._delivered_seconds = token_seconds(batch.token)

    def saved(self, token: ResumeToken | None) -> None:
        """The committed position is this one."""
        if token:
            self.saved_seconds = token_seconds(token)
            self._delivered_seconds = max(self._delivered_seconds or 0, self.saved_seconds)

    @property
    def server_seconds(self) -> int | None:
        """The server's time at its last answer."""
        return self._server[0] if self._server else None

    @property
    def lag_seconds(self) -> int | None:
        """Server's time less the time up to which everything is delivered: no clock of ours, but for a server that is silent."""
        if self._server is None or self._delivered_seconds is None:
            return None
        seconds, answered = self._server
        silent = time.monotonic() - answered
        reckoned = int(silent) if silent > SERVER_SILENT_SECONDS else 0
        return max(0, seconds + reckoned - self._delivered_seconds)

    @property
    def headroom_seconds(self) -> int | None:
        """How much older the saved position may become before MongoDB forgets what follows it."""
        if self._oldest_oplog_seconds is None or self.saved_seconds is None:
            return None
        return self.saved_seconds - self._oldest_oplog_seconds

    @property
    def window_seconds(self) -> int | None:
        """How long MongoDB's oplog holds changes, from its oldest entry to the server's time."""
        if self._oldest_oplog_seconds is None or self._server is None:
            return None
        return self._server[0] - self._oldest_oplog_seconds
