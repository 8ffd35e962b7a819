"""The loop: change events in, messages and position out, in the order in which they happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from watcher.log import iso
from watcher.messages.encoder import Encoder
from watcher.model import Batch, Message, Position
from watcher.operations import ROW_OPERATIONS
from watcher.stream.overlap import ReadAhead, WriteBehind
from watcher.stream.ports import Observer, Sink, Source

IDLE_COMMIT_SECONDS = 10.0
"""Interval at which the position is saved without events; else a quiet database's position would fall off the oplog. It is saved
also if it has not moved, so that a worker that a command has taken over on another host notices."""

LONGEST_SECONDS = 1.0
"""Time after which a transaction gets no more messages, however few it has. A user's transform may take 50 ms for each, and a batch
has thousands: for minutes nothing would be delivered, and nobody asked whether to stop."""


class Pipeline:
    """Moves changes from the source to the sink until told to stop."""

    def __init__(
        self, source: Source, encoder: Encoder, sink: Sink, observer: Observer, *, nudged: Callable[[], bool] = lambda: False
    ) -> None:
        """When `nudged()` is true, the position is saved, even if it has not moved."""
        self._source = source
        self._encoder = encoder
        self._sink = sink
        self._observer = observer
        self._nudged = nudged
        self._last_commit = time.monotonic()

    def run(self, position: Position, stopping: Callable[[], bool]) -> None:
        """Go on after `position`, which an opened sink gave. Once `stopping()` is true, no further transaction begins; returns with
        none in flight.

        Errors: those of source and sink; UndeliverableEvent. If there are several, the first in the order of the changes.
        """
        with (
            closing(ReadAhead(self._source, self._observer)) as source,
            closing(WriteBehind(self._sink, self._observer)) as sink,  # closed first, so that its error comes first
        ):
            batch = source.open(position)
            position = self._deliver(batch, sink, position, stopping)
            self._observer.streaming()
            while not stopping():
                if not batch.more:
                    sink.rest(source.quickest)  # so that the changes that come meanwhile are read together
                batch = source.open(position) if batch.ended else source.next()
                if not batch.more:
                    sink.settle()
                self._observer.received(batch)
                position = self._deliver(batch, sink, position, stopping)

    def _deliver(self, batch: Batch, sink: WriteBehind, position: Position, stopping: Callable[[], bool]) -> Position:
        """Deliver a batch; returns the position after it. The delivery may still be in flight if the batch has `more` behind it."""
        for messages, size, after in self._transactions(batch, position):
            if stopping():
                break
            self._observer.encoded(len(messages), size)
            pressing = self._is_pressing(messages)
            sink.deliver(messages, after, behind=batch.more and not pressing)
            if pressing:
                self._encoder.pressing_delivered()
            self._last_commit = time.monotonic()
            position = after
        return position

    def _transactions(self, batch: Batch, position: Position) -> Iterator[tuple[list[Message], int, Position]]:
        """Cut the batch into transactions: the messages, their bytes, and the position after them.

        Without events, yields the position alone when it is due.
        """
        messages = [
            self._encoder.control(notice.operation, timestamp_ms=notice.timestamp_ms, sequence=sequence, **notice.fields)
            for sequence, notice in enumerate(batch.notices, position.sequence + 1)
        ]
        if any(notice.operation == "gap" for notice in batch.notices):
            position = replace(position, last_gap_at=iso(time.time()))
        size = sum(len(message.value or b"") for message in messages)
        needless = set[int]()
        number, begun = 0, time.monotonic()
        while (number := _skipped(number, needless)) < len(batch.events):
            sequence = position.sequence + len(messages) + 1
            made, events, made_size = self._made(batch, number, _stretch_end(batch, number, needless), sequence, size)
            messages += made
            size += made_size
            if batch.superseded and (events > 1 or (len(made) == 1 and made[0].operation in ROW_OPERATIONS)):
                done = range(number + 1, number + events + 1)
                needless.update(batch.superseded[each] for each in done if each in batch.superseded)  # they went out whole
            number += events
            is_full = size >= self._sink.transaction_bytes or time.monotonic() - begun >= LONGEST_SECONDS
            if is_full or self._is_pressing(made):
                position = position.moved(batch.position_after(number), len(messages), batch.snapshot_after(number))
                yield messages, size, position
                messages, size, begun = [], 0, time.monotonic()
        if messages or batch.ended or batch.rows or self._nudged() or self._position_is_due(position):
            yield messages, size, position.moved(batch.token, len(messages), batch.snapshot_after(len(batch.events)))

    def _made(self, batch: Batch, first: int, last: int, sequence: int, size: int) -> tuple[list[Message], int, int]:
        """Make the messages of some events from `first` on, before `last`, for a transaction of `size` bytes so far. Returns them,
        the number of their events, and the bytes of their values."""
        if not batch.failed and not batch.missing:
            room = max(1, self._sink.transaction_bytes - size)
            return self._encoder.next_messages(batch.events, first, last, sequence, self._sink.limit_of, room)
        event = batch.events[first]
        if batch.failed:
            made = self._encoder.dead_letters_for(event, sequence)
        else:
            made = self._encoder.messages_for(event, sequence, self._sink.limit_of, batch.missing)
        return made, 1, sum(len(message.value or b"") for message in made)

    def _is_pressing(self, messages: list[Message]) -> bool:
        """Tell whether the last of the messages must be in Kafka before the encoder goes on, which may end the process."""
        return bool(messages) and messages[-1] is self._encoder.pressing

    def _position_is_due(self, position: Position) -> bool:
        return position.token is None or time.monotonic() - self._last_commit >= IDLE_COMMIT_SECONDS


def _skipped(number: int, needless: set[int]) -> int:
    """Return how many events are done after the first `number`, as those that follow are `needless`, counted from one."""
    while number + 1 in needless:
        number += 1
    return number


def _stretch_end(batch: Batch, first: int, needless: set[int]) -> int:
    """Return where the events from `first` on end that can be made together: which rows are needless is known when all before them
    are made."""
    if not batch.superseded:
        return len(batch.events)
    if first < batch.before:
        return batch.before
    return next((at for at in range(first, len(batch.events)) if at + 1 in needless), len(batch.events))
