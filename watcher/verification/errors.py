"""Errors that prevent a verification or a comparison."""

from __future__ import annotations

from watcher.errors import WatcherError


class Unjudgeable(WatcherError):
    """The messages have gone through a function of the user's, so nothing says what they should be."""


class NoRoom(WatcherError):
    """The disk has no room for what a verification or a comparison has read."""


class NothingDelivered(WatcherError):
    """The watcher has never run, so there is nothing to compare."""


class NoSuchTopics(WatcherError):
    """Kafka has none of the topics that one side was said to have. `ours` tells which side."""

    def __init__(self, message: str, *, ours: bool) -> None:
        super().__init__(message)
        self.ours = ours
