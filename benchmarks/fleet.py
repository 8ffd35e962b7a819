"""Costs of many watchers on one host: `python -m benchmarks.fleet --watchers 1 10 50`.

A fleet under supervisord, one database for each watcher. First it starts, then it has nothing to do, and then there is a backlog:
the workers are paused (SIGSTOP) while it is written, so that all of it waits for them.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.arrival import Arrivals
from benchmarks.catchup import server_pids
from benchmarks.environments import workers_python
from benchmarks.figures import Figures, show, summary
from benchmarks.load import fill
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from benchmarks.usage import rss_mb
from tests.support.real_fleet import RealFleet
from watcher.sandbox.sandbox import Sandbox

START_SECONDS = 300.0
SETTLE_SECONDS = 3.0


def measure(sandbox: Sandbox, watchers: int, events: int, idle_seconds: float, prefix: str) -> Figures:
    """One fleet: its start, its idleness, and how it catches up with `events` changes over all databases."""
    names = [f"{prefix}w{number}" for number in range(watchers)]
    topics = f"fleet-{prefix}"
    with TemporaryDirectory(prefix="wb-", ignore_cleanup_errors=True) as directory:
        arrivals = Arrivals(sandbox.kafka_brokers, topics, ends=watchers)
        fleet = RealFleet(Path(directory), {name: _settings(sandbox, name, topics) for name in names}, python=workers_python())
        started = time.perf_counter()
        with fleet:
            for name in names:
                fleet.reached(name, timeout_s=START_SECONDS)
            seconds = time.perf_counter() - started
            time.sleep(SETTLE_SECONDS)
            pids = [fleet.process(name).pid for name in names]
            idle = _idle(pids, fleet.supervisord_pid, idle_seconds)
            with paused(pids):
                for name in names:
                    fill(sandbox.mongodb_uri(name), name, max(1, events // watchers))
            caught_up = arrivals.measure(
                (events // watchers + 1) * watchers, {**{str(pid): pid for pid in pids}, **server_pids(sandbox)}
            )
        arrivals.discard()
    cpu = caught_up.cpu_seconds_per_million
    return {
        "seconds until all stream": seconds,
        **idle,
        "events/s of all": caught_up.events_per_second,
        "mongod CPU s/million": cpu["mongod"],
        "workers CPU s/million": sum(cpu[str(pid)] for pid in pids),
    }


def _settings(sandbox: Sandbox, name: str, topics: str) -> dict[str, str]:
    """All watchers share their topics, so that one reader sees them all arrive."""
    return {
        "mongodb_uri": sandbox.mongodb_uri(name),
        "kafka_brokers": sandbox.kafka_brokers,
        "kafka_client_id": name,
        "kafka_db_changes_topic": f"{topics}.{{collection}}",
    }


def _idle(pids: Sequence[int], supervisord: int, seconds: float) -> Figures:
    """Per worker: its memory, and its share of a core."""
    before = [_cpu_seconds(pid) for pid in pids]
    time.sleep(seconds)
    shares = [(_cpu_seconds(pid) - earlier) / seconds * 100 for pid, earlier in zip(pids, before, strict=True)]
    return {
        "idle RSS MiB each": statistics.median(rss_mb(pid) for pid in pids),
        "idle CPU % of a core each": statistics.mean(shares),
        "supervisord RSS MiB": rss_mb(supervisord),
    }


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def paused(pids: Sequence[int]) -> Iterator[None]:
    """Stop the processes for the time of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def compare(
    sandbox: Sandbox, sizes: Sequence[int], events: int, idle_seconds: float, attempts: Attempts, runs: int
) -> list[dict[str, Figures]]:
    """The runs; in each, fleets of all sizes."""
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for size in sizes:
            name = "1 watcher" if size == 1 else f"{size} watchers"
            if name not in attempts.failed:
                with attempts.of(name):
                    run[name] = measure(sandbox, size, events, idle_seconds, f"r{number}n{size}")
                    show(summary([{name: run[name]}]))
        results.append(run)
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--events", type=int, default=100_000, help="over all databases")
    parser.add_argument("--idle-seconds", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with servers() as sandbox:
        show(summary(compare(sandbox, options.watchers, options.events, options.idle_seconds, Attempts(), options.runs)))


if __name__ == "__main__":
    main()
