"""Where the stream stands, by MongoDB's own clock: how far behind it is, and how long it could be away."""

from __future__ import annotations

import time

from watcher.model import Batch, ResumeToken, token_seconds
from watcher.oplog import Oplog
from watcher.worker.previous_run import LastHeadroom

SERVER_SILENT_SECONDS = 5.0
"""A stream that is read answers every second; after this long the server's time is reckoned on from its last answer."""


class Standing:
    """The server's time beside that of the position; seconds since 1970, None while unknown."""

    def __init__(self, before: LastHeadroom | None = None) -> None:
        """`before` is what the process before knew: it holds until MongoDB answers."""
        self.saved_seconds: int | None = None
        """The time of the committed position."""
        self.polled_at: float | None = None
        """When MongoDB answered last, by this host's clock."""
        self._before = before
        self._delivered_seconds: int | None = None
        self._server: tuple[int, float] | None = None
        self._oplog: Oplog | None = None

    def answered(self, batch: Batch) -> None:
        """MongoDB has answered; without events that means that all is delivered up to now."""
        self.polled_at = time.time()
        self._server = (batch.server_seconds, time.monotonic())
        self._oplog = batch.oplog
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
        if (now := self._reckoned_seconds) is None or self._delivered_seconds is None:
            return None
        return max(0, now - self._delivered_seconds)

    @property
    def headroom_seconds(self) -> int | None:
        """How much older the position may become before MongoDB forgets what follows it; at least so much if not `oplog_full`.

        Reckoned on while the server is silent, as if the oplog moved on as before; None when that says nothing.
        """
        if self._server is None:
            return self._before.at(time.time()) if self._before else None
        if self._oplog is None or self.saved_seconds is None:
            return None
        told = self._oplog.headroom_seconds(self.saved_seconds, self._server[0])
        left = told - self._silent_seconds
        return None if left <= 0 < told and not self._oplog.is_full else left

    @property
    def oplog_full(self) -> bool | None:
        """Whether MongoDB's oplog forgets an old change for each new one."""
        if self._server is None:
            return self._before.oplog_full if self._before else None
        return self._oplog.is_full if self._oplog else None

    @property
    def window_seconds(self) -> int | None:
        """How long MongoDB's oplog holds changes; at least so long if not `oplog_full`."""
        return self._oplog.window_seconds(self._server[0]) if self._oplog and self._server else None

    @property
    def _reckoned_seconds(self) -> int | None:
        """The server's time now."""
        return self._server[0] + self._silent_seconds if self._server else None

    @property
    def _silent_seconds(self) -> int:
        """How long it has been silent, beyond what is usual."""
        silent = time.monotonic() - self._server[1] if self._server else 0.0
        return int(silent) if silent > SERVER_SILENT_SECONDS else 0
