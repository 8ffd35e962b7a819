"""Lag and headroom of the stream by MongoDB's own clock: how far behind it is, and for how long it could be away."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from watcher.model import Batch, ResumeToken, token_seconds
from watcher.oplog import Oplog
from watcher.status.report import StatusReport

SERVER_SILENT_SECONDS = 5.0
"""Time after which the server's time is extrapolated from its last answer. A stream that is being read answers every second."""


class Lag:
    """Times of the server and of the position, in seconds since 1970, and what lies between them; None while unknown."""

    def __init__(self, before: StatusReport | None = None) -> None:
        """`before` is the previous process's last report; its headroom holds until MongoDB answers."""
        self.saved_seconds: int | None = None
        """The time of the committed position."""
        self.polled_at: float | None = None
        """Time of MongoDB's last answer, by this host's clock."""
        self._before = before
        self._delivered_seconds: int | None = None
        self._server: tuple[int, float] | None = None
        self._oplog: Oplog | None = None

    def answered(self, batch: Batch) -> None:
        """Note an answer of MongoDB's. If it holds no events, everything up to its token has been delivered."""
        self.polled_at = time.time()
        self._server = (batch.server_seconds, time.monotonic())
        self._oplog = batch.oplog
        if not batch.events:
            self._delivered_seconds = token_seconds(batch.token)

    def saved(self, token: ResumeToken | None) -> None:
        """Note the committed position. If it has gone back, by a command, what follows it is delivered once more."""
        if token:
            before, self.saved_seconds = self.saved_seconds or 0, token_seconds(token)
            known = self._delivered_seconds if self.saved_seconds >= before else None
            self._delivered_seconds = max(known or 0, self.saved_seconds)

    @property
    def server_seconds(self) -> int | None:
        """Server's time at its last answer."""
        return self._server[0] if self._server else None

    @property
    def seconds(self) -> int | None:
        """Server's time minus the time up to which everything is delivered. Our own clock plays no part unless the server is
        silent."""
        if (now := self._reckoned_seconds) is None or self._delivered_seconds is None:
            return None
        return max(0, now - self._delivered_seconds)

    @property
    def headroom_seconds(self) -> int | None:
        """Seconds by which the position may still become older before MongoDB forgets the changes after it; a minimum if not
        `oplog_full`.

        While the server is silent, the value is extrapolated as if the oplog moved on as before; None if that says nothing.
        """
        if self._server is None:
            return self._headroom_before
        if self._oplog is None or self.saved_seconds is None:
            return None
        told = self._oplog.headroom_seconds(self.saved_seconds, self._server[0])
        left = told - self._silent_seconds
        return None if left <= 0 < told and not self._oplog.is_full else left

    @property
    def oplog_full(self) -> bool | None:
        """Return True if MongoDB's oplog forgets an old change for each new one."""
        if self._server is None:
            return self._before.oplog_full if self._before else None
        return self._oplog.is_full if self._oplog else None

    @property
    def window_seconds(self) -> int | None:
        """Seconds for which MongoDB's oplog holds changes; a minimum if not `oplog_full`."""
        return self._oplog.window_seconds(self._server[0]) if self._oplog and self._server else None

    @property
    def _headroom_before(self) -> int | None:
        left = self._before.headroom_at(datetime.fromtimestamp(time.time(), UTC)) if self._before else None
        return None if left is None else int(left)

    @property
    def _reckoned_seconds(self) -> int | None:
        """Server's time now."""
        return self._server[0] + self._silent_seconds if self._server else None

    @property
    def _silent_seconds(self) -> int:
        """Seconds of the server's silence; 0 while it is no longer than usual."""
        silent = time.monotonic() - self._server[1] if self._server else 0.0
        return int(silent) if silent > SERVER_SILENT_SECONDS else 0
