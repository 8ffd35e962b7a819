"""How much longer MongoDB's oplog holds what follows a position. Pure.

MongoDB forgets the oldest entries only when the oplog is full, and none that is younger than storage.oplogMinRetentionHours
(https://www.mongodb.com/docs/manual/core/replica-set-oplog/).
"""

from __future__ import annotations

from dataclasses import dataclass

FULL = 0.9
"""MongoDB makes room in steps of a tenth of the oplog's size and less: from this share on, an oplog counts as full."""


@dataclass(frozen=True, slots=True)
class Oplog:
    """What MongoDB tells of its oplog. Sizes are in bytes and None where it does not tell them.

    `oldest_seconds` is the time of its oldest entry, in seconds since 1970. `retention_seconds` is how long an entry is kept,
    `truncations` how often room has been made since mongod was started.
    """

    oldest_seconds: int
    size: int | None = None
    max_size: int | None = None
    retention_seconds: int = 0
    truncations: int = 0

    @property
    def is_full(self) -> bool:
        """Whether new entries cost old ones. Until then nothing is forgotten, and how far it will reach back does not show."""
        if self.size is None or self.max_size is None:
            return self.truncations > 0
        return self.size >= FULL * self.max_size

    def window_seconds(self, now: int) -> int:
        """How long it holds changes, with `now` in MongoDB's seconds since 1970; at least so long if it is not full."""
        return max(now - self.oldest_seconds, self.retention_seconds)

    def headroom_seconds(self, position: int, now: int) -> int:
        """How much older a position may become before what follows it is forgotten; at least so much if it is not full."""
        return self.window_seconds(now) - (now - position)
