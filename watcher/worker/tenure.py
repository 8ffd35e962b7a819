"""The time for which a process is its watcher's worker: as long as it has the lease, or without one until it is told to stop."""

from __future__ import annotations

import threading
import time

from watcher.config import Settings
from watcher.errors import NotOwner
from watcher.kafka.lease import Lease
from watcher.kafka.lease_rules import SWITCHOVER, Turn, next_turn
from watcher.worker.process import StopRequest


class Tenure:
    """Decides when a worker opens, stands by and stops. Without a lease it is always its turn."""

    def __init__(self, stopping: StopRequest, lease: Lease | None) -> None:
        self._stopping = stopping
        self._lease = lease
        self._news = threading.Event()
        """Set when the worker is told to stop, and when there is news of the lease."""
        stopping.tell(self._news.set)
        if lease:
            lease.on_news = self._news.set
        self._displaced_at: float | None = None
        self._level = True
        self._was_decided = True
        self._had_trouble = False

    def use(self, settings: Settings) -> None:
        """Have the lease use `settings`, which differ only in credentials."""
        if self._lease:
            self._lease.use(settings)

    def next_turn(self) -> Turn:
        """Return what the worker does next."""
        self._was_decided = self.is_decided  # before the level, which may come with it
        self._had_trouble = self._has_trouble
        self._level = self._has_lease
        turn = next_turn(self._level, self._displaced_at, time.monotonic())
        if turn is not Turn.WAIT:
            self._displaced_at = None
        return turn

    @property
    def is_decided(self) -> bool:
        """True once it is known whose turn it is."""
        return self._lease is None or self._lease.is_decided

    def is_over(self) -> bool:
        """Return True if the worker has to stop streaming."""
        return self._stopping.is_set() or not self._has_lease

    def displaced(self, error: NotOwner) -> None:
        """Note that another worker is in our place. Errors: `error` itself if no lease says whose the watcher is."""
        if self._lease is None:
            raise error
        self._displaced_at = time.monotonic()

    def command_is_done(self, what: str) -> None:
        """Note that a command has taken the watcher over for a moment, and what it has done."""
        if self._lease and what == SWITCHOVER:
            self._lease.leave_to_another()

    def another_is_active(self) -> None:
        """Note that another worker has the watcher."""
        if self._lease:
            self._lease.another_has_it()

    def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the worker is told to stop, or since `next_turn` the group has decided anew about the
        lease or the worker has come to be in trouble with it."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and not self._has_changed and not self._stopping.is_set():
            self._news.wait(left)
            self._news.clear()

    def check(self) -> None:
        """Raise the error for which the worker cannot get the lease; see `Lease.check`."""
        if self._lease:
            self._lease.check()

    def start(self) -> None:
        """Ask for the lease."""
        if self._lease:
            self._lease.start()

    def end(self) -> None:
        """Give the lease away, after everything else."""
        if self._lease:
            self._lease.close()

    @property
    def _has_changed(self) -> bool:
        has_decided = self._has_lease is not self._level or self.is_decided is not self._was_decided
        return has_decided or (self._has_trouble and not self._had_trouble)

    @property
    def _has_trouble(self) -> bool:
        return self._lease is not None and self._lease.has_trouble

    @property
    def _has_lease(self) -> bool:
        return self._lease is None or self._lease.turn()
