"""Number of bytes in one transaction: as many as Kafka takes in a few seconds. Pure.

A transaction that cannot finish before its time-out would be aborted and begun again for ever, and a slow one keeps readers
waiting. So the size begins small, doubles while transactions are fast, and follows the speed of the link when they are slow.
"""

from __future__ import annotations

FIRST_BYTES = 256 * 1024
SMALLEST_BYTES = 64 * 1024
LARGEST_BYTES = 4 * 1024 * 1024
"""Upper limit. Larger transactions gain nothing, and memory must stay bounded: MongoDB gives up to 16 MB at once."""

WANTED_SECONDS = 5.0
"""Longest wanted duration of a transaction. Its time-out is 30 s, and a slow link is often an uneven one."""


class TransactionSize:
    """Size limit: a transaction is closed at `limit` bytes."""

    def __init__(self) -> None:
        self.limit = FIRST_BYTES

    def committed(self, size: int, seconds: float) -> None:
        """Note that a transaction of `size` bytes has taken so many seconds."""
        if seconds > WANTED_SECONDS:
            self.limit = max(SMALLEST_BYTES, min(self.limit, int(size * WANTED_SECONDS / seconds)))
        elif seconds < WANTED_SECONDS / 2 and 2 * size >= self.limit:
            self.limit = min(LARGEST_BYTES, 2 * self.limit)

    def failed(self) -> None:
        """Note that a transaction was not committed; it may have been too large."""
        self.limit = max(SMALLEST_BYTES, self.limit // 2)
