"""How long to wait after a transaction before the next one begins. Pure.

Kafka answers a commit before it is done: it still writes a marker into each partition of the transaction and then notes that it is
complete. A transaction that begins earlier is refused (CONCURRENT_TRANSACTIONS), and librdkafka tries again after 20 ms: with
transactions end to end one in seven took 22 ms instead of 3. How long Kafka needs grows with what its answer takes, be it one
broker or three far apart; so that is the measure, and as long is waited: at 1,000 writes/s without a wait p50 and p99 were 13 and
74 ms, with one 11 and 39 (benchmarks/latency.py, 2026-11-24). What it takes to send the messages says nothing of it, and with 3 MiB
of them that is most of the time.
"""

from __future__ import annotations

from collections import deque

RECENT = 50
"""Transactions; what was true of older ones may not be any more."""

LONGEST_SECONDS = 0.02
"""To wait longer than librdkafka would gains nothing."""


class TransactionPause:
    """As long as the fastest answer to one of the last commits took."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def committed(self, seconds: float) -> None:
        """Kafka has answered a commit after so long, with all messages there before."""
        self._recent.append(seconds)

    @property
    def seconds(self) -> float:
        """After the last one."""
        return min(*self._recent, LONGEST_SECONDS) if self._recent else 0.0
