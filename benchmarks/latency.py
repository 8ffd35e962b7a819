"""From a committed write to a read_committed consumer: `python -m benchmarks.latency --rates 200 1000 --seconds 20 --runs 3`.

One process writes at a steady rate to a database of its own, and another one consumes the messages. A contender runs beside them: a
worker as supervisord would run it, or with --peers another program. A write counts from the moment MongoDB has acknowledged it with
a majority, by one clock for both ends.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bson import Timestamp
from pymongo import MongoClient, WriteConcern

from benchmarks.audience import Audience
from benchmarks.contender import Contender, Task, watchers
from benchmarks.figures import Figures, percentiles, show, summary
from benchmarks.load import DOCUMENTS
from benchmarks.peers import PEERS
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from watcher.sandbox.sandbox import Sandbox

SETTLE_SECONDS, SETTLE_RATE = 10.0, 1000.0
"""Not measured at first: connections, caches, and what a Java compiles meanwhile."""

A_THREADS_INSERTS = 250
"""Of a majority's write concern, a second, that one thread can do without falling behind."""

DOCUMENT = {"name": "Ada Lovelace", "email": "ada@example.org", "roles": ["admin"], "notes": "x" * 200}


@dataclass
class Writes:
    """Inserts at `rate` per second for some seconds, with the ids from `first` on; notes when each was acknowledged."""

    uri: str
    database: str
    rate: float
    seconds: float
    first: int
    acknowledged: dict[int, float] = field(default_factory=dict)

    @property
    def at_once(self) -> int:
        """Documents in one insert: one, but for rates that cannot be reached like that."""
        return max(1, round(self.rate / 1000))

    @property
    def inserts(self) -> int:
        """In all."""
        return int(self.rate * self.seconds / self.at_once)

    def run(self) -> None:
        """Write on a fixed schedule; a late write does not shift those after it."""
        threads = max(1, round(self.rate / self.at_once / A_THREADS_INSERTS))
        start = time.perf_counter() + 0.1
        with MongoClient[dict[str, Any]](self.uri) as client:
            writers = [threading.Thread(target=self._write, args=(client, start, n, threads)) for n in range(threads)]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()

    def _write(self, client: MongoClient[dict[str, Any]], start: float, shift: int, step: int) -> None:
        collection = client[self.database].get_collection(DOCUMENTS, write_concern=WriteConcern("majority"))
        for number in range(shift, self.inserts, step):
            time.sleep(max(0.0, start + number * self.at_once / self.rate - time.perf_counter()))
            ids = [self.first + number * self.at_once + n for n in range(self.at_once)]
            collection.insert_many([{"_id": each, **DOCUMENT} for each in ids])
            acknowledged = time.perf_counter()
            self.acknowledged.update(dict.fromkeys(ids, acknowledged))


def measure(
    sandbox: Sandbox, contender: Contender, rates: Sequence[float], seconds: float, name: str, *, database: str = ""
) -> Mapping[float, Figures]:
    """Percentiles in milliseconds, by rate, of one run on topics that begin with `name`, in a database of that name unless another
    one is given. Errors: SystemExit when the contender fails."""
    database = database or name
    uri, results = sandbox.mongodb_uri(database), {}
    with TemporaryDirectory(prefix="watcher-benchmark-", ignore_cleanup_errors=True) as directory:
        task = Task(sandbox, database, before_first_write(uri, database), name, Path(directory))
        audience = Audience(sandbox.kafka_brokers, f"{task.topics}.{DOCUMENTS}", task.directory)
        try:
            with contender.deliver(task) as running:
                audience.wait_for([0], running)
                first = 1
                for rate, lasting in ((SETTLE_RATE, SETTLE_SECONDS), *((rate, seconds) for rate in rates)):
                    writes = Writes(uri, database, rate, lasting, first)
                    writes.run()
                    audience.wait_for([*writes.acknowledged], running)
                    first += len(writes.acknowledged)
                    results[rate] = percentiles([
                        max(0.0, (audience.arrived[each] - at) * 1000) for each, at in writes.acknowledged.items()
                    ])  # fmt: skip
        finally:
            audience.close()
    return {rate: results[rate] for rate in rates}


def before_first_write(uri: str, database: str) -> Timestamp:
    """Writes document 0, whose message tells that a contender follows; returns a moment before."""
    with MongoClient[dict[str, Any]](uri) as client:
        since = client.admin.command("ping")["operationTime"]
        client[database][DOCUMENTS].insert_one({"_id": 0, **DOCUMENT})
    return Timestamp(since.time, 1)


def main() -> None:
    """Measure each rate several times and print medians with their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[200.0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", choices=PEERS, nargs="*", default=[], help="other programs to measure beside")
    options = parser.parse_args()
    with servers() as sandbox:
        print(f"{sandbox.kafka.description}; milliseconds, median of {options.runs} runs (lowest-highest)")
        contenders = [*watchers(["exactly-once"]), *(PEERS[name] for name in options.peers)]
        for rate, results in compare(sandbox, contenders, options.rates, options.seconds, Attempts(), options.runs).items():
            print(f"{rate:g} writes/s")
            show(summary(results))


def compare(
    sandbox: Sandbox, contenders: Sequence[Contender], rates: Sequence[float], seconds: float, attempts: Attempts, runs: int
) -> dict[float, list[dict[str, Figures]]]:
    """By rate, the runs; in each, all contenders in turn."""
    results: dict[float, list[dict[str, Figures]]] = {rate: [] for rate in rates}
    for number in attempts.numbers(runs):
        run: dict[float, dict[str, Figures]] = {rate: {} for rate in rates}
        for place, contender in enumerate(attempts.in_turn(contenders)):
            with attempts.of(contender.name):
                for rate, figures in measure(sandbox, contender, rates, seconds, f"latency{number}x{place}").items():
                    run[rate][contender.name] = figures
        for rate in rates:
            results[rate].append(run[rate])
    return results


if __name__ == "__main__":
    main()
