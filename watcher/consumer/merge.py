"""One watcher's messages from several partitions as one stream, in order, while little of it is held. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from watcher.consumer.delivered import DeliveredMessage, Partition

HELD_BYTES = 8 * 1024 * 1024
"""How much JSON may be held; as Python objects it is a few times that."""

OVERHEAD = 200
"""What a message weighs besides its JSON, in bytes, about; one that nobody wants weighs nothing else."""


@dataclass(slots=True)
class _Queue:
    held: deque[tuple[int, int, DeliveredMessage | None]] = field(default_factory=deque)
    weight: int = 0


class Merge:
    """In each partition the numbers rise: the lowest of all may go when every partition shows one, or was read to its end."""

    def __init__(self, partitions: Collection[Partition]) -> None:
        """All that there are, also those that turn out to be empty: `finish` them."""
        self._queues = {partition: _Queue() for partition in partitions}
        self._heads: list[tuple[int, Partition]] = []
        self._awaited = set(self._queues)
        self._unfinished = set(self._queues)
        self._last: int | None = None

    def add(self, delivered: DeliveredMessage, *, wanted: bool) -> None:
        """The next one of its partition. What is not wanted is not kept, but says how far the partition is."""
        partition, number = delivered.partition, delivered.sequence
        queue = self._queues[partition]
        weight = OVERHEAD + len(delivered.text) * wanted
        if not queue.held:
            heapq.heappush(self._heads, (number, partition))
            self._awaited.discard(partition)
        queue.held.append((number, weight, delivered if wanted else None))
        queue.weight += weight

    def finish(self, partition: Partition) -> None:
        """It was read to its end: nothing waits for it any longer."""
        self._unfinished.discard(partition)
        self._awaited.discard(partition)

    def ready(self) -> Iterator[DeliveredMessage]:
        """Those whose turn it is. One that was written twice comes once."""
        while self._heads and not self._awaited:
            number, partition = heapq.heappop(self._heads)
            delivered = self._pop(partition)
            if delivered is not None and number != self._last:
                yield delivered
            self._last = number

    def overfull(self, already: Collection[Partition]) -> set[Partition]:
        """Those not to be read for now; what is held back `already` stays so until half of its share has gone."""
        share = HELD_BYTES / max(1, len(self._queues))
        return {
            partition
            for partition, queue in self._queues.items()
            if partition in self._unfinished and queue.weight >= (share / 2 if partition in already else share)
        }

    @property
    def is_finished(self) -> bool:
        """Whether all partitions have been read to their ends."""
        return not self._unfinished

    @property
    def newest(self) -> int | None:
        """The highest number that has gone, when the numbers rise."""
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
