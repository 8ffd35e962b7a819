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

import logging
from collections.abc import Callable, Collection, Iterator, Mapping

from watcher.consumer.change import Change
from watcher.consumer.delivered import Partition
from watcher.consumer.ordering.held_messages import (
    AFTER_ALL,
    BEFORE_ALL,
    PartitionProgress,
    PartitionQueue,
    ReadRound,
    WatcherLane,
)
from watcher.consumer.ordering.merge import overfull

MESSAGE_OVERHEAD = 1024
"""Approximate weight of a message besides its JSON, in bytes."""

_log = logging.getLogger("watcher.consumer")


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
        self._sources: dict[Partition, PartitionProgress] = {}
        self._lanes: dict[str, WatcherLane] = {}
        self._round = ReadRound(0, 0.0)

    def assign(self, partitions: Collection[Partition]) -> None:
        """Add partitions. They may hold much earlier messages, so the last message that went says nothing about them."""
        for lane in self._lanes.values():
            lane.last, lane.last_event = BEFORE_ALL, None
        for partition in partitions:
            self._sources[partition] = PartitionProgress(self._round.now_s)
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
        self._round = ReadRound(self._round.number + 1, now_s)
        self._forget_floors()
        return self._round.number

    def add(self, change: Change, size: int) -> None:
        """Add a message of an assigned partition. `size` is that of its JSON, in bytes."""
        lane = self._lanes.get(change.watcher)
        if lane is None:
            lane = self._lanes[change.watcher] = WatcherLane()
        queue = lane.queues.get(change.source)
        if queue is None:
            queue = lane.queues[change.source] = PartitionQueue(self._sources[change.source])
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

    def _may_go(self, lane: WatcherLane) -> bool:
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

    def _waited_for(self, arrived: ReadRound) -> Iterator[tuple[Partition, PartitionProgress]]:
        """Yield the partitions that may still hold messages from before that round, and are not silent."""
        for partition, source in self._sources.items():
            silent_since = max(arrived.now_s, source.heard_s)
            if source.clear_round < arrived.number and self._round.now_s - silent_since < self._wait_s:
                yield partition, source

    def _release(self, lane: WatcherLane) -> Change:
        queue = lane.queues[lane.heads[0][1]]
        is_again = lane.heads[0][0] <= queue.gone
        place, change = lane.pop()
        if place[0] > lane.told_count:
            lane.told_count = place[0]
            self._began_again(change)
        if place >= lane.last:
            lane.last, lane.last_event = place, change.token
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
