"""Messages of one watcher that are held until it is their turn: a lane, with a queue for each partition. Pure."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.ordering.numbering import Numbering, is_same_block

Place = tuple[float, int]
"""Place in the order: the watcher's count, and the number in it."""

BEFORE_ALL: Place = (0, 0)
AFTER_ALL: Place = (math.inf, 0)


@dataclass(slots=True)
class PartitionProgress:
    """A partition: its position, and the end that Kafka last reported."""

    heard_s: float
    position: int = -1
    held_bytes: int = 0
    end: int = 0
    asked_round: int = -1
    clear_round: int = -1

    def moved(self, position: int, now_s: float) -> None:
        """Note that the partition was read up to `position`, at `now_s` seconds of listening."""
        self.position, self.heard_s = position, now_s
        self.settle()

    def settle(self) -> None:
        """Note the round if the partition was read up to the end that was asked for: messages that had arrived by then need not
        wait for it.
        """
        if self.position >= self.end:
            self.clear_round = self.asked_round


@dataclass(frozen=True, slots=True)
class ReadRound:
    """One read from Kafka."""

    number: int
    now_s: float


@dataclass(slots=True)
class PartitionQueue:
    """Messages of one watcher that are held from one partition, oldest first, each with its round, its weight in bytes, and its
    place.
    """

    source: PartitionProgress
    seen: Place = BEFORE_ALL
    gone: Place = BEFORE_ALL
    held: deque[tuple[ReadRound, int, Place, Change]] = field(default_factory=deque)

    def move(self, count: float, event: str) -> None:
        """Move the messages of a count to the next one, from that event on."""
        moves = False
        for index, (arrived, weight, place, change) in enumerate(self.held):
            moves = place[0] == count and (moves or (change.token is not None and change.token >= event))
            if moves:
                self.held[index] = (arrived, weight, (count + 1, place[1]), change)
        if moves:
            self.seen = max(self.seen, (count + 1, self.held[-1][2][1]))


@dataclass(slots=True)
class WatcherLane:
    """Messages of one watcher that are held. `heads` is a heap of the first place in each queue, and `events` has their events.

    `floors` holds a place for each round. Nothing below it can still come before the messages that arrived in that round.
    """

    queues: dict[Partition, PartitionQueue] = field(default_factory=dict)
    heads: list[tuple[Place, Partition]] = field(default_factory=list)
    events: dict[Partition, str] = field(default_factory=dict)
    last: Place = BEFORE_ALL
    last_event: str | None = None
    floors: dict[int, Place] = field(default_factory=dict)
    numbering: Numbering = field(init=False)
    told_count: float = 0
    was_late: bool = False

    def __post_init__(self) -> None:
        self.numbering = Numbering(self._move)

    def arrived(self) -> ReadRound:
        """The round in which the first message arrived."""
        return self.queues[self.heads[0][1]].held[0][0]

    def seen(self, partition: Partition) -> Place:
        """The highest place that this partition has shown."""
        queue = self.queues.get(partition)
        return queue.seen if queue else BEFORE_ALL

    def pop(self) -> tuple[Place, Change]:
        """Remove the first message, and return it with its place."""
        queue = self.queues[self.heads[0][1]]
        _, weight, place, change = queue.held.popleft()
        queue.source.held_bytes -= weight
        queue.gone = max(queue.gone, place)
        if queue.held:
            heapq.heapreplace(self.heads, (queue.held[0][2], change.source))
        else:
            heapq.heappop(self.heads)
        self._note_event(change.source, queue.held[0][3].token if queue.held else None)
        return place, change

    def forget(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that were assigned to another member."""
        self.numbering.forget(partitions)
        for partition in partitions:
            self.queues.pop(partition, None)
        self._find_heads()

    def part_counts(self) -> None:
        """Part the first message's count while its events contradict its numbers."""
        while (found := self._contradiction()) is not None:
            event, older = found
            if not self.numbering.part(int(self.heads[0][0][0]), event, (older.sequence, older.token)):
                break

    def _contradiction(self) -> tuple[str, Change] | None:
        """Return an event of the first message's count, and a message with an earlier event although its number is not lower.

        The event is that of the first message, or of the last one that went.
        """
        (count, number), partition = self.heads[0]
        event = self.events.get(partition)
        if event is None:
            return None
        if event < (self.last_event or ""):
            gone = self.last[1]
            if self.last[0] == count and gone <= number and is_same_block(gone, number):
                return self.last_event or "", self.queues[partition].held[0][3]
        if event > min(self.events.values()):
            for (its_count, its_number), its_partition in self.heads:
                if its_count == count and is_same_block(its_number, number) and self.events.get(its_partition, event) < event:
                    return event, self.queues[its_partition].held[0][3]
        return None

    def _move(self, count: int, event: str) -> None:
        """Move messages of a count to the next one, from that event on. If one of them has gone already, then it says nothing about
        the others of this count.
        """
        for queue in self.queues.values():
            queue.move(count, event)
        self._find_heads()
        if self.last_event is not None and self.last_event >= event:
            self.last, self.last_event = BEFORE_ALL, None
        self.floors.clear()

    def _find_heads(self) -> None:
        self.heads = [(queue.held[0][2], partition) for partition, queue in self.queues.items() if queue.held]
        heapq.heapify(self.heads)
        self.events.clear()
        for _, partition in self.heads:
            self._note_event(partition, self.queues[partition].held[0][3].token)

    def add_head(self, place: Place, change: Change) -> None:
        """Add the first message of a queue."""
        heapq.heappush(self.heads, (place, change.source))
        self._note_event(change.source, change.token)

    def _note_event(self, partition: Partition, event: str | None) -> None:
        if event is None:
            self.events.pop(partition, None)
        else:
            self.events[partition] = event
