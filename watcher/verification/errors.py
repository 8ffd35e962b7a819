"""Errors that prevent a verification or a comparison."""

from __future__ import annotations

from watcher.errors import WatcherError


class NothingDelivered(WatcherError):
    """The watcher has never run, so there is nothing to compare."""
