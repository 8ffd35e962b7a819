"""Changes that are being collected for handlers that take several at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.delivery.redelivery import identity
from watcher.consumer.registration.routes import Route

Collected = tuple[str, str | None]
"""Database and collection; the collection is None in messages about a whole database."""


@dataclass(slots=True)
class HandlerBatch:
    """The changes collected for one handler. `due_s` is the time at which they are handed over, even if the batch is not full."""

    route: Route
    due_s: float
    changes: list[Change] = field(default_factory=list)
    collections: set[Collected] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        """True if the batch has reached its handler's limit."""
        return len(self.changes) >= self.route.batch_size


class Batches:
    """The open batches, at most one for each handler. Times named `now_s` are seconds of any one clock."""

    def __init__(self) -> None:
        self._open: dict[int, HandlerBatch] = {}
        self._waiting: dict[tuple[str, int], str] = {}

    def has(self, change: Change) -> bool:
        """True if the same message, from an earlier record, already waits in a batch."""
        return self._waiting.get((change.watcher, change.sequence)) == identity(change)

    def add(self, route: Route, change: Change, now_s: float) -> HandlerBatch:
        """Add a change to the batch of its handler, and return the batch."""
        batch = self._open.get(id(route))
        if batch is None:
            batch = self._open[id(route)] = HandlerBatch(route, now_s + route.wait_s)
        batch.changes.append(change)
        batch.collections.add((change.database, change.collection))
        self._waiting[change.watcher, change.sequence] = identity(change)
        return batch

    def before(self, change: Change, route: Route | None) -> list[HandlerBatch]:
        """The batches that must be handed over before this change, to keep the order.

        These are the batches of other handlers that hold changes of the same collection. Before a message without a collection,
        such as a control message, all of them are.
        """
        if not self._open:
            return []
        own = (change.database, change.collection)
        return [
            batch
            for batch in self._open.values()
            if batch.route is not route and (change.collection is None or own in batch.collections)
        ]

    def due(self, now_s: float) -> list[HandlerBatch]:
        """The batches that have waited long enough."""
        return [batch for batch in self._open.values() if batch.due_s <= now_s] if self._open else []

    def next_due_s(self) -> float | None:
        """The time at which the next batch is due; None without batches."""
        return min((batch.due_s for batch in self._open.values()), default=None)

    def close(self, batch: HandlerBatch) -> None:
        """Remove a batch, which goes to its handler now. The next change for that handler begins a new one."""
        self._open.pop(id(batch.route), None)
        self._forget(batch.changes)

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Drop the changes of partitions that were assigned to another member."""
        for batch in list(self._open.values()):
            self._forget(change for change in batch.changes if change.source in partitions)
            batch.changes = [change for change in batch.changes if change.source not in partitions]
            if not batch.changes:
                self.close(batch)

    def _forget(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._waiting.pop((change.watcher, change.sequence), None)
