"""A set of the sequence numbers that have been seen, in one bit each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

BLOCK_BYTES = 8192
BLOCK_NUMBERS = BLOCK_BYTES * 8
FULL = 0xFF

Span = tuple[int, int]
"""First and last number."""


class SeenNumbers:
    """A set of positive numbers. A million numbers that lie close together take 125 kB."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self.count = 0
        self.lowest: int | None = None
        self.highest = 0

    def add(self, number: int) -> bool:
        """Add a number. True if it is new."""
        index, bit = divmod(number, BLOCK_NUMBERS)
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = bytearray(BLOCK_BYTES)
        mask = 1 << (bit & 7)
        if block[bit >> 3] & mask:
            return False
        block[bit >> 3] |= mask
        self.count += 1
        self.highest = max(self.highest, number)
        self.lowest = number if self.lowest is None or number < self.lowest else self.lowest
        return True

    def missing(self, first: int, last: int) -> Iterator[Span]:
        """Yield the spans of numbers from `first` to `last` that have not been added."""
        start: int | None = None
        for base, byte in self._bytes(first, last):
            if byte == FULL and start is None:
                continue
            for bit in range(8):
                number = base + bit
                absent = first <= number <= last and not byte >> bit & 1
                if absent and start is None:
                    start = number
                elif not absent and start is not None:
                    yield start, number - 1
                    start = None
        if start is not None:
            yield start, last

    def _bytes(self, first: int, last: int) -> Iterator[Span]:
        """Yield each byte, after the number of its lowest bit."""
        nothing = bytearray(BLOCK_BYTES)
        for index in range(first // BLOCK_NUMBERS, last // BLOCK_NUMBERS + 1):
            block = self._blocks.get(index, nothing)
            yield from ((index * BLOCK_NUMBERS + 8 * place, byte) for place, byte in enumerate(block))


@dataclass(frozen=True, slots=True)
class SequenceReport:
    """The conclusion from the numbers. `gaps` are lost messages. `announced` spans are those that a control message reports, and
    `compacted` those that Kafka may have removed because a later message about the same document is there.
    """

    first: int | None
    last: int
    gaps: tuple[Span, ...]
    announced: tuple[Span, ...]
    repeated: int
    compacted: tuple[Span, ...] = ()

    @property
    def lost(self) -> int:
        """Count of the numbers that are missing for good."""
        return _count(self.gaps)

    @property
    def removed(self) -> int:
        """Count of the numbers that compaction may have removed."""
        return _count(self.compacted)

    def of_compacted_topics(self) -> SequenceReport:
        """Return the same for topics that are compacted: there, nothing tells a message that was lost from one that was removed."""
        return replace(self, gaps=(), compacted=self.gaps)


def _count(spans: Iterable[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)


def report(seen: SeenNumbers, *, repeated: int, certain_from: int, last: int, jumps: Iterable[int]) -> SequenceReport:
    """Report the missing numbers from `certain_from` to `last`. Below `certain_from`, retention may have deleted any; above `last`,
    some may still be on their way.

    The numbers of some messages may jump: a span that is missing right before one of `jumps` is announced.
    """
    announcing = set(jumps)
    gaps: list[Span] = []
    announced: list[Span] = []
    for span in seen.missing(max(1, certain_from), last):
        (announced if span[1] + 1 in announcing else gaps).append(span)
    return SequenceReport(seen.lowest, seen.highest, tuple(gaps), tuple(announced), repeated)
