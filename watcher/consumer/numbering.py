"""Tells apart the times that a watcher has counted its messages from the beginning. Pure.

A watcher whose position was deleted begins with 1 again. What follows comes after everything that it had written, although its
numbers are lower. In one partition a watcher's numbers rise; they fall where it began again, and where it wrote messages twice
(`delivery = "at-least-once"`): then number and event are the same. Across partitions, which are read at different speeds, event ids
tell the counts apart: as text they sort in the order of the changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition

JUMP = 1_000_000
"""Where a position was set by hand, numbers go on from a later multiple of this, and events may come again under them."""


class Numbering:
    """The counts of one watcher: 0 is the first that was seen here, and each time it began again is one more."""

    def __init__(self) -> None:
        self.newest = 0
        self._began: str | None = None
        self._highest: tuple[int, str | None] = (0, None)
        self._last: dict[Partition, tuple[int, int, str | None]] = {}

    def forget(self, partitions: Collection[Partition]) -> None:
        """When these are read again, it is from an earlier place."""
        for partition in partitions:
            self._last.pop(partition, None)

    def count_of(self, change: Change, is_repeated: Callable[[Change], bool]) -> int:
        """The one to which the next message of its partition belongs. `is_repeated`: whether the very same was here before."""
        sequence, event = change.sequence, change.event_id
        count, last, last_event = self._last.get(change.source, (0, -1, None))
        if sequence <= last and (_is_later(event, last_event) or not is_repeated(change)):
            count += 1
        if count < self.newest and self._began is not None and event is not None and event >= self._began:
            count = self.newest
        elif count == self.newest and sequence <= self._highest[0] and self._contradicts(sequence, event):
            count += 1
        if count > self.newest:
            self._begin(count, event)
        if count == self.newest:
            self._note(sequence, event)
        self._last[change.source] = (count, sequence, event)
        return count

    def _begin(self, count: int, event: str | None) -> None:
        """Where it starts with earlier events than those before, these do not tell the counts of other partitions apart."""
        self._began = event if _is_later(event, self._highest[1]) else None
        self.newest, self._highest = count, (0, None)

    def _note(self, sequence: int, event: str | None) -> None:
        if sequence > self._highest[0]:
            self._highest = (sequence, event)
        if self._began is not None and event is not None and event < self._began:
            self._began = event

    def _contradicts(self, sequence: int, event: str | None) -> bool:
        """Whether a later event has a number that is not above the highest, of another partition."""
        highest, highest_event = self._highest
        return sequence // JUMP == highest // JUMP and _is_later(event, highest_event)


def _is_later(event: str | None, other: str | None) -> bool:
    return event is not None and other is not None and event > other
