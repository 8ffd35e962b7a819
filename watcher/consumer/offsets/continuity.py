"""Notices missing records: a partition continues at another offset than expected. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

from watcher.consumer.delivered import Partition


class Continuity:
    """Keeps the offset that should come next in each partition.

    Offsets have gaps of their own, left by the markers of transactions, by aborted transactions and by compaction. Records are
    missing only if Kafka's first offset is above the expected one, or if an offset below the expected one arrives.
    """

    def __init__(self, first_offset: Callable[[Partition], int]) -> None:
        """`first_offset` gives the lowest offset that Kafka still has, by its last answer. It is called only at gaps."""
        self._first_offset = first_offset
        self._next: dict[Partition, int] = {}

    def begin(self, partition: Partition, offset: int) -> None:
        """Note the offset at which reading a partition should go on."""
        self._next[partition] = offset

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that were assigned to another member."""
        for partition in partitions:
            self._next.pop(partition, None)

    def came(self, partition: Partition, offset: int, following: int) -> str | None:
        """Note that a record, or the end of the partition, was at `offset`, and that `following` should come next.

        Return a text about the records that are missing before `offset`, or None.
        """
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
