"""Time for which MongoDB's oplog still holds the changes after a position. Pure.

MongoDB forgets the oldest entries only when the oplog is full, and none younger than storage.oplogMinRetentionHours
(https://www.mongodb.com/docs/manual/core/replica-set-oplog/).
"""

from __future__ import annotations

from dataclasses import dataclass

FULL = 0.9
"""Share of its largest size from which an oplog counts as full. MongoDB makes room in steps of at most a tenth of that size."""


@dataclass(frozen=True, slots=True)
class Oplog:
    """State of MongoDB's oplog. Sizes are in bytes, and None if MongoDB does not tell them.

    `oldest_seconds` is the time of the oldest entry, in seconds since 1970. `retention_seconds` is the time for which an entry is
    kept at least. `truncations` counts how often mongod has made room since it was started.
    """

    oldest_seconds: int
    size: int | None = None
    max_size: int | None = None
    retention_seconds: int = 0
    truncations: int = 0

    @property
    def is_full(self) -> bool:
        """Return True if new entries cost old ones. Until then nothing is forgotten, and the oplog's final reach is unknown."""
        if self.size is None or self.max_size is None:
            return self.truncations > 0
        return self.size >= FULL * self.max_size

    def window_seconds(self, now: int) -> int:
        """Return for how many seconds the oplog holds changes, or the least if it is not full. `now` is MongoDB's time, in seconds
        since 1970."""
        return max(now - self.oldest_seconds, self.retention_seconds)

    def headroom_seconds(self, position: int, now: int) -> int:
        """Return how many seconds older a position may become before the changes after it are forgotten, or the least if the oplog
        is not full. `position` and `now` are MongoDB's times, in seconds since 1970."""
        return self.window_seconds(now) - (now - position)
