"""Shares of a worker's memory: `python -m benchmarks.memory`, for docs/performance.md.

Tables: what each library adds, imported one after the other in a process of its own; what an idle worker has after half a minute,
and what it takes of a core, without a lease, with one, and standing by; and the time that a worker takes to stream. `--python`
names the interpreter of another environment than the one that holds requirements.lock and nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environments import workers_python
from benchmarks.servers import servers
from benchmarks.usage import Usage
from tests.support.worker import WorkerProcess, watcher_settings
from watcher.sandbox.sandbox import Sandbox

IMPORTS = (
    ("Python", "sys"),
    ("orjson", "orjson"),
    ("bson", "bson"),
    ("pymongo, with asyncio and ssl", "pymongo"),
    ("confluent-kafka", "confluent_kafka"),
    ("click", "click"),
    ("all else of ours", "watcher.cli.fleet.run, watcher.worker.worker"),
)
"""In this order, because each finds what those before it have imported."""

STATUS_FIELDS = {"VmRSS": "resident", "RssAnon": "of it its own", "RssFile": "of it files, shared with other workers"}

PRINT_RESIDENT = "print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])"
IDLE_SECONDS = 30.0


def resident_mb(python: str, modules: Sequence[str]) -> float:
    """Measure a process that has imported these and done nothing else; the median of five."""
    program = "".join(f"import {names}\n" for names in modules) + PRINT_RESIDENT
    return statistics.median(int(subprocess.check_output([python, "-c", program])) / 1024 for _ in range(5))


def by_import(python: str) -> Iterator[tuple[str, float]]:
    """Measure what each import adds, and all of them together."""
    before = 0.0
    for number, (name, _) in enumerate(IMPORTS, start=1):
        after = resident_mb(python, [modules for _, modules in IMPORTS[:number]])
        yield name, after - before
        before = after
    yield "together", before


@contextmanager
def worker_of(
    sandbox: Sandbox, python: str, name: str, *, state: str = "streaming", **settings: Any
) -> Iterator[tuple[int, float]]:
    """A worker of the database `name`: its process id, and how many seconds after its start it was in the state."""
    settings = watcher_settings(sandbox.mongodb_uri(name), sandbox.kafka_brokers, name) | settings
    with TemporaryDirectory() as directory:
        worker = WorkerProcess(Path(directory), settings, name=name)
        worker.python = python
        started = time.monotonic()
        with worker:
            worker.reached(state)
            yield worker.pid, time.monotonic() - started
            worker.stop()


def idle(pid: int) -> Iterator[tuple[str, float]]:
    """Measure an idle process: MiB, and percent of a core."""
    usage, begun = Usage({"": pid}), time.monotonic()
    time.sleep(IDLE_SECONDS)
    cpu = usage.cpu_seconds()[""] / (time.monotonic() - begun)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    for field, meaning in STATUS_FIELDS.items():
        yield meaning, int(status[field].split()[0]) / 1024
    yield "percent of a core", 100 * cpu


def idle_workers(sandbox: Sandbox, python: str) -> Iterator[tuple[str, int]]:
    """Start workers that are idle; yields a name and the process id of each."""
    with worker_of(sandbox, python, "alone") as (pid, _):
        yield "without a lease", pid
    with (
        worker_of(sandbox, python, "leased", high_availability=True) as (active, _),
        worker_of(sandbox, python, "leased", state="standby", high_availability=True) as (standby, _),
    ):
        yield "with a lease", active
        yield "standing by", standby


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="interpreter of another environment than one of requirements.lock alone")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    python = options.python or str(workers_python())
    print("MiB after each import")
    for name, megabytes in by_import(python):
        print(f"  {name:40} {megabytes:6.1f}")
    with servers() as sandbox:
        print(f"MiB of a worker that has been idle for {IDLE_SECONDS:.0f} s")
        for kind, pid in idle_workers(sandbox, python):
            print(f" {kind}")
            for name, figure in idle(pid):
                print(f"  {name:40} {figure:6.2f}", flush=True)
        seconds = []
        for number in range(options.starts):
            with worker_of(sandbox, python, f"start{number}") as (_, taken):
                seconds.append(taken)
        print(f"seconds until it streams: {statistics.median(seconds):.2f}, median of {options.starts}")


if __name__ == "__main__":
    main()
