"""Calls a handler until it succeeds or has used up its attempts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count

from watcher.consumer.change import Change
from watcher.consumer.delivery.watchdog import Watchdog
from watcher.consumer.errors import HandlerFailed, Reject
from watcher.consumer.options import ConsumerOptions
from watcher.librdkafka import no_bare_errors

TURN_SECONDS = 1.0
"""Longest time, in seconds, that messages are handled before Kafka is polled again. A member that does not poll loses its
partitions.
"""

Call = Callable[[list[Change]], object]
Idle = Callable[[float], None]

_log = logging.getLogger("watcher.consumer")


class Stopped(Exception):
    """The consumer was told to stop while it waited for the next attempt."""


class Attempts:
    """The retry policy of one consumer. `idle` waits for a number of seconds. `ours` filters out the changes whose partitions have
    been revoked meanwhile.
    """

    def __init__(
        self, options: ConsumerOptions, watchdog: Watchdog, idle: Idle, ours: Callable[[list[Change]], list[Change]]
    ) -> None:
        self._options = options
        self._watchdog = watchdog
        self._idle = idle
        self._ours = ours

    def call(self, handler: Call, changes: list[Change]) -> tuple[list[Change], Exception | None]:
        """Call the handler with the changes, several times if need be. Return the changes that are still ours, and the last
        exception if every attempt failed.

        Raises Stopped. It also passes on HandlerFailed from `checked`: a handler that never runs would fail with every message, so
        every message would go to the dead-letter topic.
        """
        for attempt in count(1):
            self._watchdog.begins(changes[0])
            try:
                with no_bare_errors():
                    handler(changes)
            except HandlerFailed:
                raise
            except Reject as error:
                return changes, error
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is the user's to know
                if attempt == self._options.attempts:
                    return changes, error
                failure = error
            else:
                break
            finally:
                self._watchdog.ends()
            self._wait(attempt, failure, changes)
            changes = self._ours(changes)
            if not changes:
                break
        return changes, None

    def poll(self) -> None:
        """Poll Kafka between two calls that belong together. Raises Stopped."""
        self._idle(0.0)

    def _wait(self, attempt: int, error: Exception, changes: list[Change]) -> None:
        # Attempts may be unlimited, so the exponent is capped: 2 ** attempt must not grow without limit.
        milliseconds = min(self._options.backoff_ms * 2 ** min(attempt - 1, 30), self._options.longest_backoff_ms)
        _log.warning("attempt %d at %r failed; the next in %.1f s: %r", attempt, changes[0], milliseconds / 1000, error)
        self._idle(milliseconds / 1000)
