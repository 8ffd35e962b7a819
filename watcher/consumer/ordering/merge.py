"""Merges one watcher's messages from several partitions into one ordered stream, and holds few of them meanwhile. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from watcher.consumer.delivered import DeliveredMessage, Partition

HELD_BYTES = 8 * 1024 * 1024
"""Limit for the JSON that is held, in bytes. As Python objects it takes a few times as much."""

OVERHEAD = 200
"""Approximate weight of a message besides its JSON, in bytes. An unwanted message weighs only this."""


@dataclass(slots=True)
class _Queue:
    held: deque[tuple[int, int, DeliveredMessage | None]] = field(default_factory=deque)
    weight: int = 0


class Merge:
    """Merges partitions, in each of which the numbers rise.

    The lowest number of all may go when every partition either shows a message or was read to its end.
    """

    def __init__(self, partitions: Collection[Partition]) -> None:
        """`partitions` are all partitions, including empty ones, for which `finish` is called."""
        self._queues = {partition: _Queue() for partition in partitions}
        self._heads: list[tuple[int, Partition]] = []
        self._awaited = set(self._queues)
        self._unfinished = set(self._queues)
        self._last: int | None = None

    def add(self, delivered: DeliveredMessage, *, wanted: bool) -> None:
        """Add the next message of its partition. An unwanted one is not kept, but shows how far the partition was read."""
        partition, number = delivered.partition, delivered.sequence
        queue = self._queues[partition]
        weight = OVERHEAD + len(delivered.text) * wanted
        if not queue.held:
            heapq.heappush(self._heads, (number, partition))
            self._awaited.discard(partition)
        queue.held.append((number, weight, delivered if wanted else None))
        queue.weight += weight

    def finish(self, partition: Partition) -> None:
        """Note that a partition was read to its end, so that nothing waits for it any longer."""
        self._unfinished.discard(partition)
        self._awaited.discard(partition)

    def ready(self) -> Iterator[DeliveredMessage]:
        """Yield the messages whose turn it is. A message that was written twice comes once."""
        while self._heads and not self._awaited:
            number, partition = heapq.heappop(self._heads)
            delivered = self._pop(partition)
            if delivered is not None and number != self._last:
                yield delivered
            self._last = number

    def overfull(self, already: Collection[Partition]) -> set[Partition]:
        """The partitions that are not to be read for now. Those held back `already` stay so until half of their share has gone."""
        return self._unfinished & overfull({at: queue.weight for at, queue in self._queues.items()}, HELD_BYTES, already)

    @property
    def is_finished(self) -> bool:
        """True if all partitions have been read to their ends."""
        return not self._unfinished

    @property
    def newest(self) -> int | None:
        """Number of the last message that was released, which is the highest as long as the numbers rise."""
        return self._last

    def _pop(self, partition: Partition) -> DeliveredMessage | None:
        queue = self._queues[partition]
        _, weight, delivered = queue.held.popleft()
        queue.weight -= weight
        if queue.held:
            heapq.heappush(self._heads, (queue.held[0][0], partition))
        elif partition in self._unfinished:
            self._awaited.add(partition)
        return delivered


def overfull(held: Mapping[Partition, int], limit: int, already: Collection[Partition]) -> set[Partition]:
    """The partitions that hold more than their share of `limit`, or more than half of it if they are held back `already`."""
    share = limit / max(1, len(held))
    return {partition for partition, weight in held.items() if weight >= (share / 2 if partition in already else share)}
