"""Which positions MongoDB can go on from: asked by opening the watcher's own change stream there, and reading on once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from watcher.config import Settings
from watcher.config.settings import TIMES_END
from watcher.errors import PositionLost, WatcherError
from watcher.log import iso
from watcher.model import ResumeToken
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.oplog import Oplog


class PositionRefused(WatcherError):
    """MongoDB cannot go on from there."""


class Timeline:
    """What MongoDB holds of the past of a watcher's database. Errors of all methods, besides theirs: Outage, NotPermitted, …"""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI cannot be used."""
        self._settings = settings

    def now(self) -> ResumeToken:
        """The present."""
        with self._stream() as stream:
            return stream.open_now()

    def oplog(self) -> Oplog | None:
        """What MongoDB tells of its oplog; None without the role clusterMonitor."""
        with self._stream() as stream:
            return stream.oplog()

    def at(self, moment: datetime) -> ResumeToken:
        """Before all changes from `moment` on, in whole seconds. Errors: PositionRefused, with the oldest possible time."""
        wanted = int(moment.timestamp())
        if wanted >= TIMES_END:
            raise PositionRefused(f"MongoDB's timestamps end before {iso(wanted)}.")
        oldest = self._oldest_seconds()
        if oldest is not None and wanted <= oldest:
            raise _too_old(wanted, oldest)
        try:
            return self._tried(None, replace(self._settings, start_from=moment.astimezone(UTC)))
        except PositionLost as error:
            raise _too_old(wanted, oldest) from error

    def after(self, token: ResumeToken) -> ResumeToken:
        """`token` itself. Errors: PositionRefused."""
        try:
            self._tried(token, self._settings)
        except PositionLost as error:
            raise PositionRefused(f"That position cannot be used. {error}", hint=error.hint) from error
        return token

    def start(self) -> ResumeToken:
        """Where a watcher without a position begins, by `start_from`. Errors: PositionRefused."""
        start_from = self._settings.start_from
        return self.at(start_from) if isinstance(start_from, datetime) else self._tried(None, self._settings)

    def _oldest_seconds(self) -> int | None:
        oplog = self.oplog()
        return oplog.oldest_seconds if oplog else None

    def _tried(self, token: ResumeToken | None, settings: Settings) -> ResumeToken:
        """Where a stream stands that was opened there."""
        with self._stream(settings) as stream:
            return stream.try_open(token)

    @contextlib.contextmanager
    def _stream(self, settings: Settings | None = None) -> Iterator[ResumingStream]:
        with contextlib.closing(ResumingStream(settings or self._settings)) as stream:
            yield stream


def _too_old(wanted: int, oldest: int | None) -> PositionRefused:
    known = "" if oldest is None else f" Its oldest change is of {iso(oldest)}."
    hint = "" if oldest is None else f"The oldest possible time is {iso(oldest + 1)}."
    return PositionRefused(f"MongoDB no longer has all changes since {iso(wanted)}.{known}", hint=hint)
