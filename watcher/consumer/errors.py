"""Errors that reading from Kafka can raise."""

from __future__ import annotations

from watcher.errors import WatcherError


class ReadError(WatcherError):
    """Kafka did not answer, or its answer cannot be read."""


class HandlerFailed(WatcherError):
    """A handler has failed in all its attempts and `on_error` is "stop"; its exception is the cause. Or the handler cannot run."""


class ForeignMessage(WatcherError):
    """A record is not a watcher's message, and `on_foreign` is "stop"."""


class DeadLetterFailed(WatcherError):
    """The dead-letter topic could not be written. The next consumer reads the message again."""


class Reject(Exception):
    """Raised by a handler if a message can never be handled, so that it is not tried again."""
