"""How long to wait after a transaction before the next one begins. Pure.

Kafka answers a commit before it is done: it still writes a marker into each partition of the transaction and then notes that it is
complete. A transaction that begins earlier is refused (CONCURRENT_TRANSACTIONS), and librdkafka tries again after 20 ms: with
transactions end to end one in seven took 22 ms instead of 3. How long Kafka needs grows with what a small transaction takes, be it
one broker or three far apart; so that is the measure. To wait for half of it was best: at 1,000 writes/s p50 and p99 were 11 and
39 ms, for all of it 13 and 45, without a wait 13 and 74 (benchmarks/latency.py, 2026-11-24). Of a large transaction only the last
request and the commit count: sending the others says nothing of Kafka's work afterwards.
"""

from __future__ import annotations

from collections import deque

RECENT = 50
"""Transactions; what was true of older ones may not be any more."""

SHARE = 0.5
"""Of the fastest transaction."""

LONGEST_SECONDS = 0.02
"""To wait longer than librdkafka would gains nothing."""


class TransactionPause:
    """Half as long as the fastest one of the last transactions took, from its last request on."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def committed(self, seconds: float) -> None:
        """The last request of a transaction and its commit have taken so long."""
        self._recent.append(seconds)

    @property
    def seconds(self) -> float:
        """After the last one."""
        return min(SHARE * min(self._recent), LONGEST_SECONDS) if self._recent else 0.0
