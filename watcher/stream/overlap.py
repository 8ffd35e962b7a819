"""Overlap while catching up: MongoDB gives the next batch and Kafka commits the last transaction while a batch is encoded.

Each end has a thread, with at most one task in flight. So memory holds one batch ahead and one transaction behind, and only one
transaction is open at a time. An error in a thread is raised in its turn: one of reading after all earlier batches have been
delivered, one of a commit before the next transaction begins.

Only a backlog is overlapped (`Batch.more`). A stream that has caught up goes on step by step in the caller's thread: changes gather
while a transaction is committed, instead of becoming a transaction each. Only the sink's rest after it is used for reading, which
begins just early enough to be done when the rest is over. docs/performance.md says what both gain.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from watcher.model import Batch, Message, Position
from watcher.stream.ports import Observer, Sink, Source

RECENT = 50
"""Number of reads to judge by, as of transactions (`transactions/pause.py`)."""

SWITCH_SECONDS = 0.0005
"""Time for which a thread keeps the interpreter while another waits for it. With Python's default of 5 ms, the reading thread waits
until a whole batch is encoded before it can ask for the next, and mongod waits with it (docs/performance.md)."""


def take_short_turns() -> None:
    """Make the threads of this process take turns every SWITCH_SECONDS."""
    sys.setswitchinterval(SWITCH_SECONDS)


class ReadAhead:
    """A source that is read one batch ahead while there is a backlog."""

    def __init__(self, source: Source, observer: Observer) -> None:
        self._source = source
        self._observer = observer
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: Future[tuple[Batch, float]] | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def open(self, position: Position) -> Batch:
        """Open the source. Call this first, or after a batch with `ended`: no batch has been read ahead then."""
        return self._source.open(position)

    def next(self) -> Batch:
        """Return the source's next batch."""
        batch = self._take(self._ahead) if self._ahead else self._read_now()
        self._ahead = self._thread.submit(self._read) if batch.more else None
        return batch

    @property
    def quickest(self) -> float:
        """Seconds that the quickest recent read took. It is long where changes are rare, as the reads wait for them."""
        return min(self._recent, default=0.0)

    def close(self) -> None:
        """Drop the batch ahead. Returns when the source is no longer in use; the wait is bounded as that of `next` is."""
        self._thread.shutdown()

    def _read_now(self) -> Batch:
        begun = time.monotonic()
        batch = self._source.next()
        self._recent.append(time.monotonic() - begun)
        return batch

    def _read(self) -> tuple[Batch, float]:
        return self._source.next(), time.monotonic()

    def _take(self, ahead: Future[tuple[Batch, float]]) -> Batch:
        batch, ready_at = ahead.result()
        self._observer.waited(time.monotonic() - ready_at)
        return batch


class WriteBehind:
    """A sink that may go on delivering while the next transaction is prepared."""

    def __init__(self, sink: Sink, observer: Observer) -> None:
        self._sink = sink
        self._observer = observer
        self._thread = ThreadPoolExecutor(1, "write-behind")
        self._behind: Future[None] | None = None

    def deliver(self, messages: Sequence[Message], position: Position, *, behind: bool) -> None:
        """Wait until all earlier transactions are committed, then write both or neither. With `behind`, return while that is in
        flight.

        Errors: the sink's, either for the delivery before (this one has not begun then) or for this one.
        """
        self.settle()
        if behind:
            self._behind = self._thread.submit(self._deliver, messages, position)
        else:
            self._deliver(messages, position)

    def rest(self, before: float) -> None:
        """Wait until `before` seconds before the sink is ready for more. Call this when nothing is in flight."""
        self._sink.rest(before)

    def settle(self) -> None:
        """Return when nothing is in flight. Errors: the sink's, once for each delivery that failed."""
        behind, self._behind = self._behind, None
        if behind:
            behind.result()

    def close(self) -> None:
        """Settle for good. Errors: as `settle`."""
        try:
            self.settle()
        finally:
            self._thread.shutdown()

    def _deliver(self, messages: Sequence[Message], position: Position) -> None:
        self._sink.rest()
        begun = time.monotonic()
        self._sink.deliver(messages, position)
        self._observer.committed(messages, position, time.monotonic() - begun)
