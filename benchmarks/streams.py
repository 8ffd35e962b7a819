"""Measures mongod with many change streams over one oplog: `python -m benchmarks.streams --streams 1 5 10`.

Each stream follows a database of its own and is drained by a process of its own, all at once. The events are the same number in
all, shared between the databases; but every stream has mongod look at every entry of the oplog since its start.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks.catchup import server_pids
from benchmarks.figures import Figures, show, summary
from benchmarks.load import Backlog, drain, fill
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from benchmarks.usage import Usage
from watcher.sandbox.sandbox import Sandbox


def prepare(sandbox: Sandbox, streams: int, events: int) -> list[Backlog]:
    """One for each stream; all begin before the first."""
    names = [f"s{streams}x{number}" for number in range(streams)]
    backlogs = [fill(sandbox.mongodb_uri(name), name, events // streams) for name in names]
    return [Backlog(each.database, each.events, backlogs[0].since) for each in backlogs]


def measure(sandbox: Sandbox, backlogs: Sequence[Backlog]) -> Figures:
    """All drained at once."""
    uris = [sandbox.mongodb_uri(backlog.database) for backlog in backlogs]
    with ProcessPoolExecutor(len(backlogs), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(time.sleep, [1.0] * len(backlogs)))  # until all processes are there, and have imported what they need
        usage = Usage({"mongod": server_pids(sandbox)["mongod"]})
        started = time.perf_counter()
        list(pool.map(drain, uris, backlogs))
        seconds = time.perf_counter() - started
    events = sum(backlog.events for backlog in backlogs)
    return {"events/s of all": events / seconds, "mongod CPU s/million": usage.cpu_seconds()["mongod"] / events * 1e6}


def compare(sandbox: Sandbox, numbers: Sequence[int], events: int, attempts: Attempts, runs: int) -> list[dict[str, Figures]]:
    """The runs; in each, all numbers of streams."""
    prepared = {"1 stream" if number == 1 else f"{number} streams": prepare(sandbox, number, events) for number in numbers}
    results = []
    for _ in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for name, backlogs in prepared.items():
            if name not in attempts.failed:
                with attempts.of(name):
                    run[name] = measure(sandbox, backlogs)
        results.append(run)
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--events", type=int, default=200_000, help="over all databases")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with servers() as sandbox:
        show(summary(compare(sandbox, options.streams, options.events, Attempts(), options.runs)))


if __name__ == "__main__":
    main()
