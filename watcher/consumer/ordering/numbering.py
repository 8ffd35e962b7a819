"""Recognises when a watcher begins its count of messages again. Pure.

A watcher whose position was deleted begins with 1 again. The messages that follow come after all that it had written before,
although their numbers are lower.

In one partition a watcher's numbers rise. They fall in two cases only. Either the watcher began again, or it wrote messages twice
(`delivery = "at-least-once"`); then number and event id are the same as before. The first ones may have been read by an earlier
process, so that nobody here knows them. But messages that are repeated have no later event than those before them. So only a later
event under a lower number shows a new count. One that starts with earlier events is noticed when its numbers contradict others.

Partitions are read at different speeds. Across them, event ids tell the counts apart: as text they sort in the order of the
changes. Messages without a token, such as the documents of snapshots, say nothing about that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition

JUMP = 1_000_000
"""Step of the numbers after a position was set by hand: they go on from a later multiple of this. The same events may come again
under the new numbers.
"""


Top = tuple[int, str | None]
"""The highest number of a count, and its event."""


class Numbering:
    """The counts of one watcher. 0 is the first one seen here, and each new beginning adds one."""

    def __init__(self, parted: Callable[[int, str], None] = lambda _count, _event: None) -> None:
        """`parted` is called when messages of a count turn out to be of the one after it, with the count and the first of these
        events.
        """
        self.newest = 0
        self._parted = parted
        self._began: str | None = None
        self._highest: Top = (0, None)
        self._before: Top = (0, None)
        """The highest of the count before the newest, when that began."""
        self._tops: dict[Partition, tuple[int, Top]] = {}
        """Each partition's count, and the highest that it has shown of it."""

    def forget(self, partitions: Collection[Partition]) -> None:
        """Forget partitions: when they are read again, it is from an earlier offset."""
        for partition in partitions:
            self._tops.pop(partition, None)

    def count_of(self, change: Change) -> int:
        """Return the count that a message belongs to; it must be the next one of its partition."""
        sequence, event = change.sequence, change.token
        before, top = self._tops.get(change.source, (0, (-1, None)))
        count = before
        if _begins_again(top, sequence, event):
            count += 1
        elif count < self.newest and sequence < top[0] and (event is None or self._began is None):
            count = self.newest
        if count < self.newest and (self._is_of_the_newest(event) or _contradict(self._before, sequence, event)):
            count = self.newest
        elif count == self.newest and _contradict(self._highest, sequence, event):
            count += 1
        if count > self.newest:
            self._begin(count, event, top)
        elif count == self.newest and _precedes(sequence, event, self._highest):
            self.part(count, self._highest[1] or "", (sequence, event))
        if count == self.newest:
            self._note(sequence, event)
        self._tops[change.source] = (count, _higher(top, sequence, event) if count == before else (sequence, event))
        return count

    def part(self, count: int, event: str, older: Top) -> bool:
        """Part a count: what has this event, or a later one, is of the next count. `older` is a message that is not.

        Return False if events do not tell these two counts apart.
        """
        if count < self.newest and self._began is None:
            return False
        staying: list[Top] = [older]
        moving: list[Top] = [(0, None)]
        for partition, (its_count, top) in self._tops.items():
            if its_count == count:
                moves = top[1] is not None and top[1] >= event
                (moving if moves else staying).append(top)
                self._tops[partition] = (count + moves, top)
        if count == self.newest:
            (moving if self._highest[1] is not None and self._highest[1] >= event else staying).append(self._highest)
            self.newest, self._began = count + 1, event
            self._before, self._highest = max(staying, key=_number), max(moving, key=_number)
        elif count + 1 == self.newest and self._began is not None:
            self._began = min(event, self._began)
        self._parted(count, event)
        return True

    def _begin(self, count: int, event: str | None, top: Top) -> None:
        """Begin a new count after what a partition has shown. If its events are earlier, event ids cannot tell the counts of other
        partitions apart.
        """
        if event is not None and (_is_later(event, top[1]) or _is_later(event, self._highest[1])):
            self.part(self.newest, event, top)
        else:
            self.newest, self._began, self._before, self._highest = count, None, self._highest, (0, None)

    def _note(self, sequence: int, event: str | None) -> None:
        if sequence > self._highest[0]:
            self._highest = (sequence, event)
        if self._began is not None and event is not None and event < self._began:
            self.part(self.newest - 1, event, self._before)

    def _is_of_the_newest(self, event: str | None) -> bool:
        """True for an event that is not earlier than those of the newest count."""
        return self._began is not None and event is not None and event >= self._began


def is_same_block(sequence: int, other: int) -> bool:
    """True if no position was set by hand between two numbers of a count: then the higher one has the later event."""
    return sequence // JUMP == other // JUMP


def _number(top: Top) -> int:
    return top[0]


def _begins_again(top: Top, sequence: int, event: str | None) -> bool:
    """True if a message cannot be of the count that its partition has shown this highest number of, not even a repeated one."""
    number, known = top
    if event is None or known is None or event == known:
        return False
    if sequence > number:
        return event < known and is_same_block(sequence, number)
    return sequence == number or event > known


def _higher(top: Top, sequence: int, event: str | None) -> Top:
    """Return the higher one. If it has no event, like a gap, the one known before it still says as much about what follows."""
    number, known = top
    if sequence <= number:
        return top
    return sequence, known if event is None and is_same_block(sequence, number) else event


def _contradict(highest: Top, sequence: int, event: str | None) -> bool:
    """True if a later event than that of a count's highest number has a number that is not above it: it is of another count."""
    number, highest_event = highest
    return sequence <= number and is_same_block(sequence, number) and _is_later(event, highest_event)


def _precedes(sequence: int, event: str | None, highest: Top) -> bool:
    """True if an earlier event than that of a count's highest number has a number that is not below it: the highest is of a later
    count.
    """
    number, highest_event = highest
    return sequence >= number and is_same_block(sequence, number) and _is_later(highest_event, event)


def _is_later(event: str | None, other: str | None) -> bool:
    return event is not None and other is not None and event > other
