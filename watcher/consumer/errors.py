"""What can go wrong when reading from Kafka."""

from __future__ import annotations

from watcher.errors import WatcherError


class ReadError(WatcherError):
    """Kafka did not answer, or what it answered cannot be read."""


class HandlerFailed(WatcherError):
    """A handler raised as often as it was allowed to, and `on_error` is "stop": its exception is the cause. Or it cannot run."""


class ForeignMessage(WatcherError):
    """No watcher has written this message, and `on_foreign` is "stop"."""


class DeadLetterFailed(WatcherError):
    """The dead-letter topic could not be written; the message is read again by the next consumer."""


class Reject(Exception):
    """For handlers to raise: this message will never work, so don't try again."""
