"""Tests positions: opens the watcher's own change stream there and reads once, to see whether MongoDB can go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from watcher.config import Settings
from watcher.config.settings import TIMES_END
from watcher.errors import PositionLost, WatcherError
from watcher.log import iso
from watcher.model import ResumeToken, token_seconds
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.oplog import Oplog


class PositionRefused(WatcherError):
    """MongoDB cannot go on from this position."""


class Timeline:
    """The past of a watcher's database, as far as MongoDB holds it. All methods also raise Outage, NotPermitted and the like."""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI cannot be used."""
        self._settings = settings

    def now(self) -> ResumeToken:
        """The position of the present."""
        with self._stream() as stream:
            return stream.open_now()

    def oplog(self) -> Oplog | None:
        """The state of MongoDB's oplog; None without the role clusterMonitor."""
        with self._stream() as stream:
            return stream.oplog()

    def at(self, moment: datetime) -> ResumeToken:
        """The position before all changes from `moment` on, in whole seconds. Errors: PositionRefused, with the oldest possible
        time."""
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
        """Return `token` itself if MongoDB can go on after it. Errors: PositionRefused."""
        try:
            self._tried(token, self._settings)
        except PositionLost as error:
            raise PositionRefused(f"That position cannot be used. {error}", hint=error.hint) from error
        return token

    def beside(self, token: ResumeToken) -> ResumeToken:
        """The position before all changes of the moment of `token`, which belongs to another stream of the same MongoDB. Errors:
        PositionRefused."""
        oldest = self._oldest_seconds()
        if oldest is not None and token_seconds(token) <= oldest:
            raise _too_old(token_seconds(token), oldest)
        try:
            with self._stream() as stream:
                return stream.try_by_time(token)
        except PositionLost as error:
            raise _too_old(token_seconds(token), oldest) from error

    def start(self) -> ResumeToken:
        """The position at which a watcher without one begins, by `start_from`. Errors: PositionRefused."""
        start_from = self._settings.start_from
        return self.at(start_from) if isinstance(start_from, datetime) else self._tried(None, self._settings)

    def _oldest_seconds(self) -> int | None:
        with self._stream() as stream:
            return stream.oldest_oplog_seconds()

    def _tried(self, token: ResumeToken | None, settings: Settings) -> ResumeToken:
        """Open a stream after `token` and read once; returns the position of the stream."""
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
