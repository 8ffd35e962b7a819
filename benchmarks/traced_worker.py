"""A worker that notes how long the parts of its transactions take: `python -m benchmarks.traced_worker FILE run NAME …`.

For `benchmarks.transactions`. FILE gets a line of JSON for each transaction: by the name of each part its seconds, and `at`, when
it was done. A worker's environment has what a worker needs and nothing else, so this imports nothing else.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import watcher.kafka.transactions.writer
from watcher.cli import main
from watcher.kafka.transactions.writer import Producer, TransactionalWriter
from watcher.model import Message
from watcher.mongodb.resuming_stream import ResumingStream

STATISTICS_MS = 1000

Row = dict[str, float]


class Trace:
    """The transactions so far, and librdkafka's latest statistics."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._row: Row = {}
        self._since = time.perf_counter()
        self.statistics: dict[str, Any] = {}

    def note(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, which now counts as this part of a transaction. What passed since the part before counts as
        `before` this one."""

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._add(f"before {part}")
            try:
                return call(*args, **kwargs)
            finally:
                self._add(part)

        return noted

    def end(self) -> None:
        """End a transaction's row."""
        self._rows.append({**self._row, "at": self._since})
        self._row = {}

    def save(self, path: str) -> None:
        """Write all rows, and in a last one librdkafka's requests, by their kinds."""
        Path(path).write_text("".join(f"{json.dumps(row)}\n" for row in [*self._rows, self._requests()]))

    def _add(self, part: str) -> None:
        now = time.perf_counter()
        self._row[part] = self._row.get(part, 0.0) + now - self._since
        self._since = now

    def _requests(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for broker in self.statistics.get("brokers", {}).values():
            for request, number in broker["req"].items():
                counts[request] = counts.get(request, 0) + number
        return counts


def traced(trace: Trace) -> None:
    """Have the worker's own calls noted."""

    class TracedProducer(Producer):
        """A producer that also tells its statistics."""

        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__({**config, "statistics.interval.ms": STATISTICS_MS, "stats_cb": self._learn})

        begin_transaction = trace.note("begin", Producer.begin_transaction)
        commit_transaction = trace.note("commit", Producer.commit_transaction)

        @staticmethod
        def _learn(text: str) -> None:
            trace.statistics = json.loads(text)

    def write(self: TransactionalWriter, messages: Sequence[Message], position: Message) -> None:
        writing(self, messages, position)
        trace.end()

    writing = TransactionalWriter.write
    TransactionalWriter.write = write  # type: ignore[method-assign]  # that is the purpose
    TransactionalWriter.rest = trace.note("rest", TransactionalWriter.rest)  # type: ignore[method-assign]  # likewise
    ResumingStream.next = trace.note("read", ResumingStream.next)  # type: ignore[method-assign]  # likewise
    watcher.kafka.transactions.writer.enqueue = trace.note("hand over", watcher.kafka.transactions.writer.enqueue)
    watcher.kafka.transactions.writer.Producer = TracedProducer  # type: ignore[misc]  # likewise


if __name__ == "__main__":
    one = Trace()
    traced(one)
    atexit.register(one.save, sys.argv.pop(1))
    main()
