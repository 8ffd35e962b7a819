"""Time without messages when the active one of two goes away: `python -m benchmarks.takeover --runs 15 --pairs ours`.

One document is inserted every 20 ms, and a consumer notes when each message is in its hands. The active one is taken away in each
way that its pair knows; once the other one delivers, the first is brought back. The figure is the longest pause between two
messages.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient, WriteConcern

from benchmarks.audience import Audience
from benchmarks.contender import Contender, Task
from benchmarks.figures import Figures, show, summary
from benchmarks.latency import DOCUMENT, before_first_write
from benchmarks.load import DOCUMENTS
from benchmarks.pairs import PAIRS, Pair
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from tests.support.background import Background
from watcher.sandbox.sandbox import Sandbox

INTERVAL_SECONDS = 0.02
SETTLE_SECONDS = 8.0
"""Time for which a pair delivers before the next fault: longer than a session of the group, so that nothing is left of the last."""


class SteadyInserts(Background):
    """Inserts a document every INTERVAL_SECONDS, with the ids 1, 2, …, in a thread, until the `with` block is left."""

    def __init__(self, uri: str, database: str) -> None:
        super().__init__(self._insert, "steady-inserts")
        self._uri = uri
        self._database = database
        self.last = 0
        """The last id that MongoDB has acknowledged."""

    def _insert(self, stop: threading.Event) -> None:
        with MongoClient[dict[str, Any]](self._uri) as client:
            collection = client[self._database].get_collection(DOCUMENTS, write_concern=WriteConcern("majority"))
            while not stop.wait(INTERVAL_SECONDS):
                collection.insert_one({"_id": self.last + 1, **DOCUMENT})
                self.last += 1


def measure(sandbox: Sandbox, contender: Contender, rounds: int, name: str) -> list[Figures]:
    """Take the active one away in each way, `rounds` times; returns seconds by the way, a line for each round.

    Errors: SystemExit when nobody takes over.
    """
    uri = sandbox.mongodb_uri(name)
    with TemporaryDirectory(prefix="watcher-benchmark-", ignore_cleanup_errors=True) as directory:
        task = Task(sandbox, name, before_first_write(uri, name), name, Path(directory))
        audience = Audience(sandbox.kafka_brokers, f"{task.topics}.{DOCUMENTS}", task.directory)
        try:
            with contender.deliver(task) as pair, SteadyInserts(uri, name) as inserts:
                assert isinstance(pair, Pair)
                return [{way: pause(pair, way, inserts, audience) for way in pair.ways} for _ in range(rounds)]
        finally:
            audience.close()


def pause(pair: Pair, way: str, inserts: SteadyInserts, audience: Audience) -> float:
    """Take the active one away; returns the longest time without a message after that."""
    audience.wait_for([inserts.last], pair)
    time.sleep(SETTLE_SECONDS)
    begun = time.perf_counter()
    pair.take_away(way)
    pair.wait_for_successor()
    audience.wait_for([inserts.last + 1], pair)
    seconds = longest_pause(audience.arrived.values(), begun)
    print(f"  {way}: {seconds:.1f} s", flush=True)
    pair.bring_back()
    return seconds


def longest_pause(arrivals: Iterable[float], since: float) -> float:
    """The longest time between two arrivals of which the later one came after `since`. There must be one."""
    ordered = sorted(arrivals)
    return max(later - earlier for earlier, later in pairwise(ordered) if later > since)


def compare(sandbox: Sandbox, contenders: Sequence[Contender], rounds: int, attempts: Attempts) -> list[dict[str, Figures]]:
    """The rounds, each with the figures of all contenders that have got so far."""
    runs: list[dict[str, Figures]] = [{} for _ in range(rounds)]
    for place, contender in enumerate(contenders):
        print(contender.name, flush=True)
        with attempts.of(contender.name):
            for run, figures in zip(runs, measure(sandbox, contender, rounds, f"takeover{place}"), strict=True):
                run[contender.name] = figures
    return runs


def main() -> None:
    """Measure and print medians with their spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--pairs", choices=PAIRS, nargs="+", default=[*PAIRS])
    given = parser.parse_args()
    with servers() as sandbox:
        runs = compare(sandbox, [PAIRS[name] for name in given.pairs], given.runs, Attempts())
        print(f"{sandbox.kafka.description}; seconds without messages, median of {given.runs} runs (lowest-highest)")
        show(summary(runs))


if __name__ == "__main__":
    main()
