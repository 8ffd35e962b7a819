"""What has been read from MongoDB and is not in Kafka yet."""

from __future__ import annotations

from collections import deque


class UnderWay:
    """Events that are not messages yet, and the transactions whose messages wait for their commit.

    `received` and `encoded` are called by one thread, `committed` by one that may be another; each count is written by one of them.
    """

    def __init__(self) -> None:
        self._unencoded = 0
        self._transactions: deque[tuple[int, int]] = deque()
        self._added = (0, 0)
        self._removed = (0, 0)

    def received(self, events: int) -> None:
        """A batch is about to become messages."""
        self._unencoded = events

    def encoded(self, messages: int, size: int) -> None:
        """The messages of one transaction wait; `size` in bytes."""
        self._unencoded = max(0, self._unencoded - messages)
        self._transactions.append((messages, size))
        self._added = _sum(self._added, (messages, size))

    def committed(self) -> None:
        """The oldest transaction is in Kafka."""
        self._removed = _sum(self._removed, self._transactions.popleft())

    def dropped(self) -> int:
        """All will be read again; returns how many transactions came to nothing. No other thread may be at work."""
        transactions = len(self._transactions)
        self._transactions.clear()
        self._unencoded, self._removed = 0, self._added
        return transactions

    @property
    def messages(self) -> int:
        """Messages that wait."""
        return max(0, self._added[0] - self._removed[0])

    @property
    def bytes(self) -> int:
        """Their size."""
        return max(0, self._added[1] - self._removed[1])

    @property
    def events(self) -> int:
        """Everything that is not in Kafka yet: events and messages."""
        return self._unencoded + self.messages


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]
