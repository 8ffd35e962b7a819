"""How long to wait after a transaction before the next one begins. Pure.

Kafka answers a commit before it is done: it still writes a marker into each partition of the transaction and then notes that it is
complete. A transaction that begins earlier is refused (CONCURRENT_TRANSACTIONS), and librdkafka tries again after 20 ms: with
transactions end to end one in seven took 22 ms instead of 3. What Kafka has left to do takes about as long as a small transaction,
be it one broker or three far apart; so that is the measure.
"""

from __future__ import annotations

from collections import deque

RECENT = 50
"""Transactions; what was true of older ones may not be any more."""

LONGEST_SECONDS = 0.02
"""To wait longer than librdkafka would gains nothing."""


class TransactionPause:
    """As long as the fastest one of the last transactions took."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def committed(self, seconds: float) -> None:
        """A transaction has taken so long."""
        self._recent.append(seconds)

    @property
    def seconds(self) -> float:
        """After the last one."""
        return min(*self._recent, LONGEST_SECONDS) if self._recent else 0.0
