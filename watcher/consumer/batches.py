"""Changes that wait for company, for handlers that take several at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.routes import Route

Collected = tuple[str, str | None]
"""Database and collection."""


@dataclass(slots=True)
class HandlerBatch:
    """What one handler will get."""

    route: Route
    due_s: float
    changes: list[Change] = field(default_factory=list)
    collections: set[Collected] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        """Whether it has all it may have."""
        return len(self.changes) >= self.route.batch_size


class Batches:
    """At most one batch for each handler. `now_s` is any clock's."""

    def __init__(self) -> None:
        self._open: dict[int, HandlerBatch] = {}
        self._waiting: dict[tuple[str, int], str | None] = {}

    def has(self, change: Change) -> bool:
        """Whether it waits here already, from an earlier record with the same message."""
        number = (change.watcher, change.sequence)
        return number in self._waiting and self._waiting[number] == change.event_id

    def add(self, route: Route, change: Change, now_s: float) -> HandlerBatch:
        """Put it into the handler's batch."""
        batch = self._open.get(id(route))
        if batch is None:
            batch = self._open[id(route)] = HandlerBatch(route, now_s + route.wait_s)
        batch.changes.append(change)
        batch.collections.add((change.database, change.collection))
        self._waiting[change.watcher, change.sequence] = change.event_id
        return batch

    def before(self, change: Change, route: Route | None) -> list[HandlerBatch]:
        """What must go first, to keep the order: other handlers' batches with this collection; for a control message, all."""
        if not self._open:
            return []
        own = (change.database, change.collection)
        return [
            batch
            for batch in self._open.values()
            if batch.route is not route and (change.collection is None or own in batch.collections)
        ]

    def due(self, now_s: float) -> list[HandlerBatch]:
        """Those that have waited long enough."""
        return [batch for batch in self._open.values() if batch.due_s <= now_s] if self._open else []

    def next_due_s(self) -> float | None:
        """When the first of them will be."""
        return min((batch.due_s for batch in self._open.values()), default=None)

    def close(self, batch: HandlerBatch) -> None:
        """It goes to its handler now; what comes next begins another."""
        self._open.pop(id(batch.route), None)
        self._forget(batch.changes)

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Forget what belongs to somebody else now."""
        for batch in list(self._open.values()):
            self._forget(change for change in batch.changes if change.source in partitions)
            batch.changes = [change for change in batch.changes if change.source not in partitions]
            if not batch.changes:
                self.close(batch)

    def _forget(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._waiting.pop((change.watcher, change.sequence), None)
