"""Recognises when a watcher begins its count of messages again. Pure.

A watcher whose position was deleted begins with 1 again. The messages that follow come after all that it had written before,
although their numbers are lower.

In one partition a watcher's numbers rise. They fall in two cases only. Either the watcher began again, or it wrote messages twice
(`delivery = "at-least-once"`); then number and event id are the same as before.

Partitions are read at different speeds. Across them, event ids tell the counts apart: as text they sort in the order of the
changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition

JUMP = 1_000_000
"""Step of the numbers after a position was set by hand: they go on from a later multiple of this. The same events may come again
under the new numbers.
"""


class Numbering:
    """The counts of one watcher. 0 is the first one seen here, and each new beginning adds one."""

    def __init__(self) -> None:
        self.newest = 0
        self._began: str | None = None
        self._highest: tuple[int, str | None] = (0, None)
        self._before: tuple[int, str | None] = (0, None)
        """The highest of the count before the newest, when that began."""
        self._last: dict[Partition, tuple[int, int, str | None]] = {}

    def forget(self, partitions: Collection[Partition]) -> None:
        """Forget partitions: when they are read again, it is from an earlier offset."""
        for partition in partitions:
            self._last.pop(partition, None)

    def count_of(self, change: Change, is_repeated: Callable[[Change], bool]) -> int:
        """Return the count that a message belongs to; it must be the next one of its partition.

        `is_repeated` tells whether the very same message was here before.
        """
        sequence, event = change.sequence, change.event_id
        count, last, last_event = self._last.get(change.source, (0, -1, None))
        if sequence <= last and (_is_later(event, last_event) or not is_repeated(change)):
            count += 1
        if count < self.newest and (self._is_of_the_newest(event) or _contradict(self._before, sequence, event)):
            count = self.newest
        elif count == self.newest and _contradict(self._highest, sequence, event):
            count += 1
        if count > self.newest:
            self._begin(count, event)
        if count == self.newest:
            self._note(sequence, event)
        self._last[change.source] = (count, sequence, event)
        return count

    def _begin(self, count: int, event: str | None) -> None:
        """Begin a new count. If its events are earlier than those before, event ids cannot tell the counts of other partitions
        apart.
        """
        self._began = event if _is_later(event, self._highest[1]) else None
        self.newest, self._before, self._highest = count, self._highest, (0, None)

    def _note(self, sequence: int, event: str | None) -> None:
        if sequence > self._highest[0]:
            self._highest = (sequence, event)
        if self._began is not None and event is not None and event < self._began:
            self._began = event

    def _is_of_the_newest(self, event: str | None) -> bool:
        """True for an event that is not earlier than those of the newest count."""
        return self._began is not None and event is not None and event >= self._began


def _contradict(highest: tuple[int, str | None], sequence: int, event: str | None) -> bool:
    """True if a later event than that of a count's highest number has a number that is not above it: it is of another count."""
    number, highest_event = highest
    return sequence <= number and sequence // JUMP == number // JUMP and _is_later(event, highest_event)


def _is_later(event: str | None, other: str | None) -> bool:
    return event is not None and other is not None and event > other
