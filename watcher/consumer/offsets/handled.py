"""Tracks the handled messages, and thereby how far each partition may be committed: up to the first unhandled one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from watcher.consumer.change import NO_OFFSET, Change
from watcher.consumer.delivered import Partition


@dataclass(slots=True)
class _Log:
    next_offset: int | None = None
    sent: int | None = None
    committed: int | None = None
    open: dict[int, None] = field(default_factory=dict)

    @property
    def handled_to(self) -> int | None:
        """The offset up to which all records are handled. A dict keeps the order of insertion, and offsets rise, so the first open
        one is the lowest.
        """
        first = next(iter(self.open), self.next_offset)
        return None if first == NO_OFFSET else first


class Offsets:
    """The state of each assigned partition. Messages are handled in the order of `sequence`, which is not always the order of a
    partition's offsets.
    """

    def __init__(self) -> None:
        self._logs: dict[Partition, _Log] = {}

    def assign(self, partitions: Collection[Partition]) -> None:
        """Begin to track these partitions."""
        self._logs.update({partition: _Log() for partition in partitions})

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Forget these partitions."""
        for partition in partitions:
            self._logs.pop(partition, None)

    def is_assigned(self, partition: Partition) -> bool:
        """True if the partition is assigned to us."""
        return partition in self._logs

    def taken(self, partition: Partition, offset: int) -> None:
        """Note that a record was read."""
        log = self._logs[partition]
        log.open[offset] = None
        log.next_offset = offset + 1

    def passed(self, partition: Partition, position: int) -> None:
        """Note that there is nothing more to read before `position`; only markers of transactions are there."""
        self._logs[partition].next_offset = position

    def hold(self, partition: Partition) -> None:
        """Hold back commits for something to be reported that has no offset, such as a gap.

        Until NO_OFFSET is handled, no record that is taken after this is committed.
        """
        if log := self._logs.get(partition):
            log.open[NO_OFFSET] = None

    def handled(self, partition: Partition, offset: int) -> None:
        """Note that a record is done with. Its partition may have been revoked meanwhile."""
        if log := self._logs.get(partition):
            log.open.pop(offset, None)

    def ours(self, changes: list[Change]) -> list[Change]:
        """Return the changes that are still ours to handle."""
        return [each for each in changes if self._is_open(each.source, each.offset)]

    def to_commit(self, *, again: bool = False) -> dict[Partition, int]:
        """Return the offset to commit for each partition that has advanced since the last call.

        With `again` this includes offsets that were returned before and may not have been committed.
        """
        moved = {}
        for partition, log in self._logs.items():
            if (handled_to := log.handled_to) is not None and handled_to != (log.committed if again else log.sent):
                moved[partition] = log.sent = handled_to
        return moved

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note that these offsets were committed."""
        for partition, offset in offsets.items():
            if log := self._logs.get(partition):
                log.committed = offset

    def not_committed(self, partitions: Collection[Partition]) -> None:
        """Note that the last commit failed for these partitions, so that `to_commit` returns them again."""
        for partition in partitions:
            if log := self._logs.get(partition):
                log.sent = None

    def _is_open(self, partition: Partition, offset: int) -> bool:
        log = self._logs.get(partition)
        return log is not None and offset in log.open
