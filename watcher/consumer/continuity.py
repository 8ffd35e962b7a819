"""Notices that records are missing: a partition goes on somewhere else than where it was left. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

from watcher.consumer.delivered import Partition


class Continuity:
    """Knows the offset that should come next in each partition.

    Offsets have gaps of their own, where transactions were marked or aborted, and where a topic is compacted. Records are missing
    only where Kafka's first offset is behind the one that should come, or where an earlier one comes.
    """

    def __init__(self, first_offset: Callable[[Partition], int]) -> None:
        """`first_offset` is the lowest that Kafka still has, as the last answer told it; it is asked at gaps only."""
        self._first_offset = first_offset
        self._next: dict[Partition, int] = {}

    def begin(self, partition: Partition, offset: int) -> None:
        """Reading should go on here."""
        self._next[partition] = offset

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Somebody else reads these."""
        for partition in partitions:
            self._next.pop(partition, None)

    def came(self, partition: Partition, offset: int, following: int) -> str | None:
        """A record, or the end of the partition, was at `offset`; `following` should come next. What is missing before, or None."""
        expected = self._next.get(partition, offset)
        self._next[partition] = following
        if offset == expected:
            return None
        where = f"{partition[0]}, partition {partition[1]}"
        if offset < expected:
            return f"{where}: offset {expected} is gone, the next one is {offset}: the topic was created again, or has lost records"
        if self._first_offset(partition) > expected:
            return f"{where}: offsets {expected} to {offset - 1} were deleted, by retention or by hand, before they were read"
        return None
