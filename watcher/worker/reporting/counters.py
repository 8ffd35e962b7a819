"""Counters of a worker, from its start on.

Each message takes part in several counts, and there are tens of thousands of messages a second. So messages are counted one field
after the other, in C, and no other field is read: their values are no longer in the processor's caches. docs/performance.md has
the cost.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from operator import attrgetter

from watcher.errors import Outage, WatcherError
from watcher.messages.dead_letters import REASONS
from watcher.model import Batch, Message
from watcher.operations import DEAD_LETTER, ROW_OPERATIONS, TOMBSTONE
from watcher.worker.reporting.histogram import Histogram

CONTROL = "control"
"""Common name of all operations that are not row changes."""

AGE_BOUNDS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)
COMMIT_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MESSAGES_BOUNDS = (1, 10, 100, 250, 500, 1000, 2500, 5000, 10_000, 100_000)

INVALIDATE = "invalidate"
"""Reason of a reopening: MongoDB has closed the stream because the database was dropped."""


RATE_SECONDS = 10.0
"""Period over which events per second are averaged."""


_topic, _timestamp_ms, _operation = map(attrgetter, ("topic", "timestamp_ms", "operation"))


class Counters:
    """Counters and histograms. One thread at a time writes each of them, and each is independent of the others."""

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        """With the `templates` of topics, by operation, messages are counted by these: there may be any number of databases."""
        self._templates = templates or {}
        self.operations: Counter[str] = Counter(dict.fromkeys((*ROW_OPERATIONS, CONTROL), 0))
        self.topics: Counter[str] = Counter()
        self.messages = 0
        self.source_bytes = 0
        self.dead_letters: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self.transactions: Counter[str] = Counter(committed=0, aborted=0)
        self.reopens: Counter[str] = Counter({"mongodb": 0, "kafka": 0, INVALIDATE: 0})
        self.errors: Counter[tuple[str, str]] = Counter()
        self.backpressure_seconds = 0.0
        self.age_seconds = Histogram(AGE_BOUNDS_SECONDS)
        self.commit_seconds = Histogram(COMMIT_BOUNDS_SECONDS)
        self.transaction_messages = Histogram(MESSAGES_BOUNDS)

    @property
    def outages(self) -> int:
        """Number of times that MongoDB, Kafka or the schema registry was lost."""
        return self.reopens.total() - self.reopens[INVALIDATE]

    def received(self, batch: Batch) -> None:
        """Count a batch from the source."""
        self.source_bytes += batch.size
        self.reopens[INVALIDATE] += batch.ended

    def committed(self, messages: Sequence[Message], seconds: float) -> Counter[str]:
        """Count a transaction that is in Kafka, and took so many seconds. Returns the number of messages by operation."""
        self.transactions["committed"] += 1
        self.commit_seconds.observe(seconds)
        self.transaction_messages.observe(len(messages))
        return self._delivered(messages) if messages else Counter()

    def lost(self, outage: Outage, aborted: int) -> None:
        """Count an outage, after which stream and producer are opened again. `aborted` transactions came to nothing, or their
        outcome is unknown."""
        self.transactions["aborted"] += aborted
        self.reopens[outage.component] += 1
        self.errors[outage.component, outage.code] += 1

    def failed(self, error: BaseException, aborted: int) -> None:
        """Count the error that ends the worker, and its aborted transactions."""
        self.transactions["aborted"] += aborted
        self.errors["worker", type(error).__name__ if isinstance(error, WatcherError) else "bug"] += 1

    def _delivered(self, messages: Sequence[Message]) -> Counter[str]:
        self.messages += len(messages)
        self.age_seconds.observe_ages(map(_timestamp_ms, messages), int(time.time() * 1000))
        numbers = Counter(map(_operation, messages))
        if not self._templates:
            self.topics.update(map(_topic, messages))
        for operation, number in numbers.items():
            if self._templates:
                self.topics[self._templates.get(operation, self._templates[CONTROL])] += number
            self.operations[operation if operation in (*ROW_OPERATIONS, TOMBSTONE) else CONTROL] += number
        if DEAD_LETTER in numbers:
            self.dead_letters.update(message.reason for message in messages if message.reason)
        return numbers


class Rate:
    """Number of messages a second, over the last RATE_SECONDS."""

    def __init__(self) -> None:
        self._samples = deque([(time.monotonic(), 0)])

    def at(self, count: int) -> float:
        """Return the rate, given the present count. One thread must ask again and again, because the count is known only at these
        times."""
        now = time.monotonic()
        self._samples.append((now, count))
        while now - self._samples[0][0] > RATE_SECONDS:
            self._samples.popleft()
        return round((count - self._samples[0][1]) / RATE_SECONDS, 1)
