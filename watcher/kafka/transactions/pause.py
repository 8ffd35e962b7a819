"""Time to wait after a transaction before the next one begins. Pure.

Kafka answers a commit before its work is done: it still writes a marker into each partition of the transaction, and then notes that
the transaction is complete. A transaction that begins earlier is refused (CONCURRENT_TRANSACTIONS), and librdkafka tries again only
after 20 ms. The time that Kafka needs grows with the duration of a small transaction, for one broker as for three far apart, so
that duration is the measure. Waiting for half of it was best (docs/performance.md). Of a large transaction only the last request
and the commit count, because sending the others says nothing about Kafka's work afterwards.
"""

from __future__ import annotations

from collections import deque

RECENT = 50
"""Number of transactions to judge by. Older ones may no longer be typical."""

SHARE = 0.5
"""Share of the fastest transaction's duration to wait for."""

LONGEST_SECONDS = 0.02
"""Longest wait. Waiting longer than librdkafka would gains nothing."""


class TransactionPause:
    """Pause of half the duration of the fastest recent transaction, counted from its last request on."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def committed(self, seconds: float) -> None:
        """Note how many seconds the last request of a transaction and its commit have taken."""
        self._recent.append(seconds)

    @property
    def seconds(self) -> float:
        """Length of the pause after the last transaction."""
        return min(SHARE * min(self._recent), LONGEST_SECONDS) if self._recent else 0.0
