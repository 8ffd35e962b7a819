"""Catching up: MongoDB reads the next batch and Kafka commits the last transaction while the batch in hand is encoded.

Each end has a thread, and at most one thing under way. So memory holds one batch ahead and one transaction behind, and only one
transaction is open at a time. What fails in a thread is raised in its turn: that a batch could not be read after all before it has
been delivered, that a transaction could not be committed before the next one begins.

Only a backlog is overlapped (`Batch.more`). A stream that has caught up goes on step by step in the caller's thread: changes gather
while a transaction is committed, instead of becoming a transaction each. docs/performance.md has what this gains.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from watcher.model import Batch, Message, Position, ResumeToken
from watcher.stream.ports import Observer, Sink, Source

SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter while another waits for it. By default, 5 ms, the one that reads waits for all of a batch
to be encoded before it can ask for the next, and mongod waits with it: catching up then reached 0.72 of the drain, and 0.86 so
(median of 4 and 5 runs of benchmarks/catchup.py, 2026-11-24; 0.83 with 1 ms, and no more with 0.2 ms)."""


def take_short_turns() -> None:
    """Let this process's threads take turns every SWITCH_SECONDS."""
    sys.setswitchinterval(SWITCH_SECONDS)


class ReadAhead:
    """A source that is read one batch ahead while there is a backlog."""

    def __init__(self, source: Source, observer: Observer) -> None:
        self._source = source
        self._observer = observer
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: Future[tuple[Batch, float]] | None = None

    def open(self, token: ResumeToken | None) -> Batch:
        """As the source's. To be called first, or after a batch that has ended: no batch is ahead then."""
        return self._source.open(token)

    def next(self) -> Batch:
        """As the source's."""
        batch = self._take(self._ahead) if self._ahead else self._source.next()
        self._ahead = self._thread.submit(self._read) if batch.more else None
        return batch

    def close(self) -> None:
        """Drop what is ahead. Returns when the source is not used any more, after a bounded wait such as `next` has."""
        self._thread.shutdown()

    def _read(self) -> tuple[Batch, float]:
        return self._source.next(), time.monotonic()

    def _take(self, ahead: Future[tuple[Batch, float]]) -> Batch:
        batch, ready_at = ahead.result()
        self._observer.waited(time.monotonic() - ready_at)
        return batch


class WriteBehind:
    """A sink that may go on delivering while the next transaction is made."""

    def __init__(self, sink: Sink, observer: Observer) -> None:
        self._sink = sink
        self._observer = observer
        self._thread = ThreadPoolExecutor(1, "write-behind")
        self._behind: Future[None] | None = None

    def deliver(self, messages: Sequence[Message], position: Position, *, behind: bool) -> None:
        """Once all before is committed, write both or neither; with `behind` return while that is under way.

        Errors: as the sink's, for what was under way before: then this has not begun; or for this.
        """
        self.settle()
        if behind:
            self._behind = self._thread.submit(self._deliver, messages, position)
        else:
            self._deliver(messages, position)

    def settle(self) -> None:
        """Return when nothing is under way any more. Errors: as the sink's, once for each delivery that failed."""
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
        begun = time.monotonic()
        self._sink.deliver(messages, position)
        self._observer.committed(messages, position, time.monotonic() - begun)
        self._sink.rest()  # here: the changes that come meanwhile are read together
