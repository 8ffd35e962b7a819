"""Counts of each database of a watcher that watches several. There may be any number of them: the busiest are named."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple

from watcher.model import Message
from watcher.status.database_status import DatabaseStatus
from watcher.worker.reporting.counters import RATE_SECONDS

NAMED = 10
KEPT = 1000
"""Databases that are remembered. If there are more, those without a change for the longest time are forgotten."""

ROOM = KEPT // 10
"""Databases that are forgotten at once, so that this is rarely done."""

SAMPLE_SECONDS = 1.0
"""Interval at which the counts are remembered, to tell the rate."""

_database, _timestamp_ms = map(attrgetter, ("database", "timestamp_ms"))


class _Delivered(NamedTuple):
    """Messages of one database; the last one is about a change at `changed_ms`, and was committed at `committed_ms`."""

    messages: int = 0
    changed_ms: int = 0
    committed_ms: int = 0


class Busiest(NamedTuple):
    """The databases with the highest rates, the busiest first; the rate of all others together; and how many there are."""

    databases: tuple[DatabaseStatus, ...] = ()
    others_per_second: float = 0.0
    total: int = 0


class Databases:
    """Counts by database. `whole` stands for all of them, where a message is about the watcher itself; that does not count."""

    def __init__(self, whole: str) -> None:
        self._whole = whole
        self._delivered: dict[str, _Delivered] = {}
        self._samples = deque([(time.monotonic(), dict[str, _Delivered]())])

    def committed(self, messages: Sequence[Message]) -> None:
        """Count the messages of a transaction. Another thread may look at the counts meanwhile."""
        changed_ms = dict(zip(map(_database, messages), map(_timestamp_ms, messages), strict=True))  # the last one of each
        now_ms = int(time.time() * 1000)
        for database, number in Counter(map(_database, messages)).items():
            if database != self._whole:
                before = self._delivered.get(database, _Delivered()).messages
                self._delivered[database] = _Delivered(before + number, changed_ms[database], now_ms)
        if len(self._delivered) > KEPT:
            self._forget_oldest()

    def busiest(self) -> Busiest:
        """Return the busiest NAMED over the last RATE_SECONDS. One thread must ask again and again, because the counts are known
        only at these times."""
        now, delivered = time.monotonic(), dict(self._delivered)
        if now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, delivered))
        while now - self._samples[0][0] > RATE_SECONDS and len(self._samples) > 1:
            self._samples.popleft()
        before = self._samples[0][1]
        rates = {
            name: max(0, of.messages - before.get(name, _Delivered()).messages) / RATE_SECONDS for name, of in delivered.items()
        }
        names = sorted(delivered, key=lambda name: (-rates[name], -delivered[name].messages, name))
        named = tuple(_status(name, delivered[name], rates[name]) for name in names[:NAMED])
        return Busiest(named, round(sum(rates[name] for name in names[NAMED:]), 1), len(names))

    def _forget_oldest(self) -> None:
        oldest_first = sorted(self._delivered, key=lambda name: self._delivered[name].committed_ms)
        for name in oldest_first[: len(oldest_first) - KEPT + ROOM]:
            del self._delivered[name]


def _status(name: str, delivered: _Delivered, rate: float) -> DatabaseStatus:
    return DatabaseStatus(
        name=name,
        events_per_second=round(rate, 1),
        messages_committed=delivered.messages,
        lag_seconds=max(0, delivered.committed_ms - delivered.changed_ms) / 1000,
        last_event_at=datetime.fromtimestamp(delivered.changed_ms / 1000, UTC),
    )
