"""Which messages have been handled, and so how far each partition may be committed: up to the first one that has not. Pure."""

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
        """A dict keeps the order of insertion, and offsets rise: the first one is the lowest."""
        first = next(iter(self.open), self.next_offset)
        return None if first == NO_OFFSET else first


class Offsets:
    """Messages are handled in the order of their `sequence`, so in one partition not always in that of their offsets."""

    def __init__(self) -> None:
        self._logs: dict[Partition, _Log] = {}

    def assign(self, partitions: Collection[Partition]) -> None:
        """Keep these from now on."""
        self._logs.update({partition: _Log() for partition in partitions})

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Forget these."""
        for partition in partitions:
            self._logs.pop(partition, None)

    def is_assigned(self, partition: Partition) -> bool:
        """Whether we read it."""
        return partition in self._logs

    def taken(self, partition: Partition, offset: int) -> None:
        """This record was read."""
        log = self._logs[partition]
        log.open[offset] = None
        log.next_offset = offset + 1

    def passed(self, partition: Partition, position: int) -> None:
        """There is nothing to be read before `position`: what is there are the marks of transactions."""
        self._logs[partition].next_offset = position

    def hold(self, partition: Partition) -> None:
        """Something without an offset is to be told: until NO_OFFSET is handled, nothing that is taken after this is committed."""
        if log := self._logs.get(partition):
            log.open[NO_OFFSET] = None

    def handled(self, partition: Partition, offset: int) -> None:
        """This record is done with; it may have been revoked meanwhile."""
        if log := self._logs.get(partition):
            log.open.pop(offset, None)

    def ours(self, changes: list[Change]) -> list[Change]:
        """Those that are still ours to handle."""
        return [each for each in changes if self._is_open(each.source, each.offset)]

    def to_commit(self, *, again: bool = False) -> dict[Partition, int]:
        """How far each partition has got since the last call; `again` with what was given before and may not have arrived."""
        moved = {}
        for partition, log in self._logs.items():
            if (handled_to := log.handled_to) is not None and handled_to != (log.committed if again else log.sent):
                moved[partition] = log.sent = handled_to
        return moved

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """This has arrived."""
        for partition, offset in offsets.items():
            if log := self._logs.get(partition):
                log.committed = offset

    def not_committed(self, partitions: Collection[Partition]) -> None:
        """What `to_commit` gave last for these has not arrived: it gives it again."""
        for partition in partitions:
            if log := self._logs.get(partition):
                log.sent = None

    def _is_open(self, partition: Partition, offset: int) -> bool:
        log = self._logs.get(partition)
        return log is not None and offset in log.open
