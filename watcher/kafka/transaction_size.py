"""How many bytes go into one transaction: as many as Kafka takes in a few seconds.

A transaction that cannot be through before its time-out would be aborted and begun again for ever, and one that takes long keeps
readers waiting. So the size begins small, doubles while it's fast, and follows the link when it's slow. Pure.
"""

from __future__ import annotations

FIRST_BYTES = 256 * 1024
SMALLEST_BYTES = 64 * 1024
LARGEST_BYTES = 4 * 1024 * 1024
"""No more is gained beyond, and memory stays bounded: MongoDB gives up to 16 MB at once."""

WANTED_SECONDS = 5.0
"""How long a transaction may take. Its time-out is 30 s, and a slow link is often an uneven one."""


class TransactionSize:
    """A transaction is closed at `limit` bytes."""

    def __init__(self) -> None:
        self.limit = FIRST_BYTES

    def committed(self, size: int, seconds: float) -> None:
        """So many bytes have taken so long."""
        if seconds > WANTED_SECONDS:
            self.limit = max(SMALLEST_BYTES, min(self.limit, int(size * WANTED_SECONDS / seconds)))
        elif seconds < WANTED_SECONDS / 2 and 2 * size >= self.limit:
            self.limit = min(LARGEST_BYTES, 2 * self.limit)

    def failed(self) -> None:
        """It was not committed; it may have been too much."""
        self.limit = max(SMALLEST_BYTES, self.limit // 2)
