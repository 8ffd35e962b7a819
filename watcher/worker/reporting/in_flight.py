"""Account of everything that has been read from MongoDB and is not yet in Kafka."""

from __future__ import annotations

import time
from collections import deque


class InFlight:
    """Events that are not messages yet, and transactions whose messages wait for their commit.

    One thread calls `received` and `encoded`; `committed` may be called by another. Only one of them writes each count.
    """

    def __init__(self) -> None:
        self._unencoded = 0
        self._transactions: deque[tuple[int, int, float]] = deque()
        """Messages, bytes, and the monotonic time at which they were ready."""
        self._committed_at = 0.0
        """The monotonic time of the last commit. In a backlog the next transaction is ready before it, and waits for its turn."""
        self._added = (0, 0)
        self._removed = (0, 0)

    def received(self, events: int) -> None:
        """Note that a batch of so many events is about to become messages."""
        self._unencoded = events

    def encoded(self, messages: int, size: int) -> None:
        """Note that the messages of one transaction wait for their commit; `size` is in bytes."""
        self._unencoded = max(0, self._unencoded - messages)
        self._transactions.append((messages, size, time.monotonic()))
        self._added = _sum(self._added, (messages, size))

    def committed(self) -> None:
        """Note that the oldest transaction is in Kafka."""
        self._committed_at = time.monotonic()  # before the next transaction is the oldest, for the thread that reports its age
        messages, size, _ = self._transactions.popleft()
        self._removed = _sum(self._removed, (messages, size))

    def dropped(self) -> int:
        """Forget everything, because it will be read again; returns the number of transactions that came to nothing. No other
        thread may be at work."""
        transactions = len(self._transactions)
        self._transactions.clear()
        self._unencoded, self._removed = 0, self._added
        return transactions

    @property
    def waiting_seconds(self) -> float:
        """Seconds for which the oldest transaction has been under way, also one of the position alone; 0 without one."""
        try:
            begun_at = max(self._transactions[0][2], self._committed_at)
        except IndexError:
            return 0.0
        return max(0.0, time.monotonic() - begun_at)

    @property
    def messages(self) -> int:
        """Number of messages that wait for their commit."""
        return max(0, self._added[0] - self._removed[0])

    @property
    def bytes(self) -> int:
        """Size of the messages that wait, in bytes."""
        return max(0, self._added[1] - self._removed[1])

    @property
    def events(self) -> int:
        """Number of events and messages that are not yet in Kafka."""
        return self._unencoded + self.messages


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]
