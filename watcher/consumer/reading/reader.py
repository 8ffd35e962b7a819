"""Reads one watcher's messages: the latest ones, and new ones as they arrive. Leaves no trace in Kafka: no group, no offsets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from watcher.config import Settings
from watcher.consumer.delivered import DeliveredMessage, Message, Partition, Tail, whole
from watcher.consumer.ordering.in_order import InOrder
from watcher.consumer.ordering.merge import Merge
from watcher.consumer.reading.topics import WatcherTopics, reached

REFRESH_SECONDS = 1.0
"""Interval for looking for new topics, in seconds."""

SMALLEST_SPAN = 64
SPAN_GROWTH = 8
BOUNDED_SPAN = 8
"""Records per partition in the first read if the amount is limited. It is small because each record may be megabytes long."""


class MessageReader:
    """The messages of one watcher, from all its topics, read_committed, in the order of `sequence`. Close it, or use `with`.

    All methods raise NotPermitted, ConfigurationError or ReadError.
    """

    def __init__(self, settings: Settings, since: datetime | None = None, other_topics: Iterable[str] = ()) -> None:
        """`since` leaves out records whose timestamps in Kafka are earlier. `other_topics` are names and globs of topics to read
        besides those that the settings tell."""
        self._topics = WatcherTopics(settings, other_topics)
        self._since = since
        self._order = InOrder(next_sequence=1)
        self._next_refresh = 0.0
        self._answers = True
        self._found_all = True

    @property
    def answers(self) -> bool:
        """False while Kafka is away; `poll` goes on when it is back."""
        return self._answers

    @property
    def found_all(self) -> bool:
        """False if `last` stopped at its limit before it had found all messages."""
        return self._found_all

    def last(
        self,
        count: int,
        wanted: Callable[[Message], bool] = lambda _: True,
        *,
        shrink: Callable[[DeliveredMessage], DeliveredMessage] = whole,
        most_bytes: float = math.inf,
    ) -> list[DeliveredMessage]:
        """Return the newest `count` messages that are `wanted`, oldest first. `shrink` may reduce each one. `poll` goes on after
        them.

        It reads the ends of the topics, and more and more of them, until it is certain that nothing is missing. It stops earlier if
        the next read would exceed about `most_bytes`; then there are fewer messages, see `found_all`.
        """
        partitions = self._topics.partitions()
        ends = self._topics.ends(partitions)
        firsts = self._topics.firsts(partitions, ends, self._since)
        span = max(count, SMALLEST_SPAN) if most_bytes == math.inf else BOUNDED_SPAN
        while True:
            starts = {partition: max(first, ends[partition] - span) for partition, first in firsts.items()}
            tail = Tail(count, wanted, shrink)
            read_bytes = self._read(starts, ends, tail)
            self._found_all = tail.is_complete([partition for partition, first in firsts.items() if starts[partition] > first])
            if self._found_all or read_bytes * SPAN_GROWTH > most_bytes:
                break
            span *= SPAN_GROWTH
        newest = tail.newest_sequence()
        self._order = InOrder(newest + 1 if newest is not None and count else None)
        return tail.messages() if self._found_all else tail.certain()

    def all(self, wanted: Callable[[Message], bool] = lambda _: True) -> Iterator[DeliveredMessage]:
        """Yield all messages that are `wanted`, oldest first, up to the present ends of the topics. `poll` goes on after them.

        Messages are yielded while they are read, so there may be any number of them.
        """
        partitions = self._topics.partitions()
        ends = self._topics.ends(partitions)
        starts = self._topics.firsts(partitions, ends, self._since)
        self._topics.assign(starts)
        merge = Merge(partitions)
        for partition in partitions:
            if starts[partition] >= ends[partition]:
                merge.finish(partition)
        held_back: set[Partition] = set()
        while not merge.is_finished:
            for record in self._topics.records():
                if delivered := self._topics.delivered(record):
                    merge.add(delivered, wanted=wanted(delivered.message))
                for partition in reached(record, ends):
                    merge.finish(partition)
            yield from merge.ready()
            held_back = self._topics.hold_back(held_back, merge.overfull(held_back))
        self._topics.hold_back(held_back, set())
        newest = merge.newest
        self._order = InOrder(newest + 1 if newest is not None else None)

    def poll(self, timeout_s: float) -> list[DeliveredMessage]:
        """Return the messages that have arrived since `last`, or from the very first one if `last` was not called. Waits up to
        `timeout_s` seconds.

        New topics are included. While Kafka is away, nothing comes.
        """
        if time.monotonic() >= self._next_refresh:
            self._answers = self._topics.take_up_new()
            self._next_refresh = time.monotonic() + REFRESH_SECONDS
        for record in self._topics.arrived(timeout_s):
            if delivered := self._topics.delivered(record):
                self._order.add(delivered, time.monotonic())
        return self._order.ready(time.monotonic())

    def close(self) -> None:
        """Leave Kafka."""
        self._topics.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int], tail: Tail) -> int:
        """Fill `tail` with everything from `starts` to `ends`, and a little more if more is written meanwhile. Return the number of
        bytes read.
        """
        self._topics.assign(starts)
        unfinished = {partition for partition, start in starts.items() if start < ends[partition]}
        read_bytes = 0
        while unfinished:
            for record in self._topics.records():
                read_bytes += len(record.value() or b"")
                if delivered := self._topics.delivered(record):
                    tail.add(delivered)
                unfinished -= reached(record, ends)
        return read_bytes
