"""Restores the order of messages of several topics by their `sequence`. Pure.

The rule. Each partition holds the messages of one watcher in rising order. So a message may go when no lower number can still come.
That is so in these cases:

* its number follows the last one that went; or
* every assigned partition has either shown a higher number of this watcher, or was read to an end that Kafka reported *after* the
  message had arrived. That end counts uncommitted records. A watcher writes all messages of a transaction before it commits, so
  every lower number was already in its log when this message could be read; or
* the partitions it would wait for have been silent for too long.

A watcher whose position was deleted counts from 1 again. So a place in the order is a pair: the count, and the number in it. Of a
backlog, the new count may be read before the old one. That shows when an earlier event comes under a higher number; then messages
that are held get a place in the new count.

Time here is seconds spent listening to Kafka: while a handler works, no partition counts as silent.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.merge import overfull
from watcher.consumer.numbering import Numbering, is_same_block

Place = tuple[float, int]
"""Place in the order: the watcher's count, and the number in it."""

BEFORE_ALL: Place = (0, 0)
AFTER_ALL: Place = (math.inf, 0)

MESSAGE_OVERHEAD = 1024
"""Approximate weight of a message besides its JSON, in bytes."""

_log = logging.getLogger("watcher.consumer")


@dataclass(slots=True)
class _Source:
    """A partition: its position, and the end that Kafka last reported."""

    heard_s: float
    position: int = -1
    held_bytes: int = 0
    end: int = 0
    asked_round: int = -1
    clear_round: int = -1

    def moved(self, position: int, now_s: float) -> None:
        self.position, self.heard_s = position, now_s
        self.settle()

    def settle(self) -> None:
        """Note the round if the partition was read up to the end that was asked for: messages that had arrived by then need not
        wait for it.
        """
        if self.position >= self.end:
            self.clear_round = self.asked_round


@dataclass(frozen=True, slots=True)
class _Round:
    """One read from Kafka."""

    number: int
    now_s: float


@dataclass(slots=True)
class _Queue:
    """Messages of one watcher that are held from one partition, oldest first, each with its round, its weight in bytes, and its
    place.
    """

    source: _Source
    seen: Place = BEFORE_ALL
    gone: Place = BEFORE_ALL
    held: deque[tuple[_Round, int, Place, Change]] = field(default_factory=deque)

    def move(self, count: float, event: str) -> None:
        """Move the messages of a count to the next one, from that event on."""
        moves = False
        for index, (arrived, weight, place, change) in enumerate(self.held):
            moves = place[0] == count and (moves or (change.event_id is not None and change.event_id >= event))
            if moves:
                self.held[index] = (arrived, weight, (count + 1, place[1]), change)
        if moves:
            self.seen = max(self.seen, (count + 1, self.held[-1][2][1]))


@dataclass(slots=True)
class _Lane:
    """Messages of one watcher that are held. `heads` is a heap of the first place in each queue, and `events` has their events.

    `floors` holds a place for each round. Nothing below it can still come before the messages that arrived in that round.
    """

    queues: dict[Partition, _Queue] = field(default_factory=dict)
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

    def arrived(self) -> _Round:
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
        self._note_event(change.source, queue.held[0][3].event_id if queue.held else None)
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
            if not self.numbering.part(int(self.heads[0][0][0]), event, (older.sequence, older.event_id)):
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
            self._note_event(partition, self.queues[partition].held[0][3].event_id)

    def add_head(self, place: Place, change: Change) -> None:
        """Add the first message of a queue."""
        heapq.heappush(self.heads, (place, change.source))
        self._note_event(change.source, change.event_id)

    def _note_event(self, partition: Partition, event: str | None) -> None:
        if event is None:
            self.events.pop(partition, None)
        else:
            self.events[partition] = event


class SequenceOrder:
    """Holds messages until it is their turn. With a single topic, or without `ordered`, every message is ready at once."""

    def __init__(
        self,
        wait_s: float,
        buffer_bytes: int,
        *,
        ordered: bool = True,
        is_repeated: Callable[[Change], bool] = lambda _: False,
        began_again: Callable[[Change], None] = lambda _: None,
    ) -> None:
        """`is_repeated` tells whether a message has gone before. `began_again` is called with the first message of a new count,
        before it goes.
        """
        self._ordered = ordered
        self._is_repeated = is_repeated
        self._began_again = began_again
        self._wait_s = wait_s
        self._buffer_bytes = buffer_bytes
        self._merging = False
        self._sources: dict[Partition, _Source] = {}
        self._lanes: dict[str, _Lane] = {}
        self._round = _Round(0, 0.0)

    def assign(self, partitions: Collection[Partition]) -> None:
        """Add partitions. They may hold much earlier messages, so the last message that went says nothing about them."""
        for lane in self._lanes.values():
            lane.last, lane.last_event = BEFORE_ALL, None
        for partition in partitions:
            self._sources[partition] = _Source(self._round.now_s)
        self._changed()

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Remove partitions, and the messages held from them."""
        for partition in partitions:
            self._sources.pop(partition, None)
        for lane in self._lanes.values():
            lane.forget(partitions)
        self._changed()

    def begin_round(self, now_s: float) -> int:
        """Begin a round: the messages that follow arrive at `now_s` seconds of listening. Return its number."""
        self._round = _Round(self._round.number + 1, now_s)
        self._forget_floors()
        return self._round.number

    def add(self, change: Change, size: int) -> None:
        """Add a message of an assigned partition. `size` is that of its JSON, in bytes."""
        lane = self._lanes.get(change.watcher)
        if lane is None:
            lane = self._lanes[change.watcher] = _Lane()
        queue = lane.queues.get(change.source)
        if queue is None:
            queue = lane.queues[change.source] = _Queue(self._sources[change.source])
        place = (lane.numbering.count_of(change), change.sequence)
        if not queue.held:
            lane.add_head(place, change)
        weight = size + MESSAGE_OVERHEAD
        queue.held.append((self._round, weight, place, change))
        queue.seen = max(queue.seen, place)
        queue.source.held_bytes += weight
        queue.source.moved(change.offset + 1, self._round.now_s)

    def passed(self, partition: Partition, position: int) -> None:
        """Note that a partition was read up to `position`, past a record that is not a message, or to its end."""
        self._sources[partition].moved(position, self._round.now_s)

    def ready(self) -> Iterator[Change]:
        """Yield the messages whose turn it is. Partitions may be revoked between two of them."""
        for lane in sorted((lane for lane in self._lanes.values() if lane.heads), key=lambda lane: lane.arrived().number):
            while lane.heads and self._may_go(lane):
                yield self._release(lane)

    def unclear(self) -> set[Partition]:
        """The partitions whose ends Kafka is to be asked for: a message waits for them that arrived after we last asked."""
        return {
            partition
            for lane in self._lanes.values()
            if lane.heads
            for partition, source in self._waited_for(lane.arrived())
            if lane.seen(partition) < lane.heads[0][0] and source.asked_round < lane.arrived().number
        }

    def answer(self, round_number: int, ends: Mapping[Partition, int]) -> None:
        """Take Kafka's answer to the request of round `round_number`: the ends of partitions, uncommitted records included."""
        for partition, end in ends.items():
            if source := self._sources.get(partition):
                source.end, source.asked_round = end, round_number
                source.settle()
        self._forget_floors()

    def overfull(self, already: Collection[Partition]) -> set[Partition]:
        """The partitions that are not to be read for now. Those held back `already` stay so until half of their share has gone."""
        return overfull({at: source.held_bytes for at, source in self._sources.items()}, self._buffer_bytes, already)

    @property
    def is_holding(self) -> bool:
        """True if any message waits."""
        return any(lane.heads for lane in self._lanes.values())

    def _may_go(self, lane: _Lane) -> bool:
        if self._merging:
            lane.part_counts()
        place = lane.heads[0][0]
        if not self._merging or place <= (lane.last[0], lane.last[1] + 1):
            return True
        arrived = lane.arrived()
        floor = lane.floors.get(arrived.number)
        if floor is None:
            seen = (lane.seen(partition) for partition, _ in self._waited_for(arrived))
            floor = lane.floors[arrived.number] = min(seen, default=AFTER_ALL)
        return place <= floor

    def _waited_for(self, arrived: _Round) -> Iterator[tuple[Partition, _Source]]:
        """Yield the partitions that may still hold messages from before that round, and are not silent."""
        for partition, source in self._sources.items():
            silent_since = max(arrived.now_s, source.heard_s)
            if source.clear_round < arrived.number and self._round.now_s - silent_since < self._wait_s:
                yield partition, source

    def _release(self, lane: _Lane) -> Change:
        queue = lane.queues[lane.heads[0][1]]
        is_again = lane.heads[0][0] <= queue.gone
        place, change = lane.pop()
        if place[0] > lane.told_count:
            lane.told_count = place[0]
            self._began_again(change)
        if place >= lane.last:
            lane.last, lane.last_event = place, change.event_id
        elif self._merging and not (is_again or lane.was_late or self._is_repeated(change)):
            lane.was_late = True
            _log.warning(
                "%s: message %d came after %d: its partition was silent for longer than order_wait_ms",
                change.watcher,
                change.sequence,
                lane.last[1],
            )
        return change

    def _changed(self) -> None:
        """Adapt to a change of the assigned partitions."""
        self._merging = self._ordered and len({topic for topic, _ in self._sources}) > 1
        self._forget_floors()

    def _forget_floors(self) -> None:
        for lane in self._lanes.values():
            lane.floors.clear()
