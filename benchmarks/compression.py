"""Costs and gains of compression: its types side by side on one backlog, in one run. A part of `make bench`.

A producer compresses, and Kafka keeps and hands on what it got: the bytes on its disk are also those on the network, to it and from
it.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.catchup import SPEED, deliver
from benchmarks.contender import Task, Watcher
from benchmarks.figures import Figures
from benchmarks.load import Backlog
from benchmarks.runs import Attempts
from watcher.sandbox.sandbox import Sandbox

NONE = "none"
TYPES = (NONE, "lz4", "zstd")
STORED, OF_NONE, OF_SPEED = "bytes an event", "of none's bytes", "of none's events/s"
CASES = (("small", False), ("medium", True))
"""Sizes of documents, and whether the backlog is a mix."""


def compare(sandbox: Sandbox, backlog: Backlog, attempts: Attempts, runs: int, prefix: str) -> list[dict[str, Figures]]:
    """The runs; in each, all types in turn, and what each has of the bytes and the speed without compression."""
    contenders = [Watcher(each, settings={"kafka": {"compression.type": each}}) for each in TYPES]
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for place, contender in enumerate(attempts.in_turn(contenders)):
            with attempts.of(contender.name):
                topics = f"{prefix}{number}-{place}"
                run[contender.name] = deliver(sandbox, backlog, contender, topics, attempts.limit_s, also=stored)
        results.append(beside_none(run))
    return results


def stored(task: Task, events: int) -> Figures:
    """Bytes an event in the task's topics."""
    return {STORED: stored_bytes(task.sandbox.kafka.directory / "data", task.topics) / events}


def stored_bytes(directory: Path, topics: str) -> int:
    """Bytes of the messages in a broker's directory, of the topics `<topics>.<collection>`."""
    return sum(file.stat().st_size for file in directory.glob(f"{topics}.*/*.log"))


def beside_none(run: dict[str, Figures]) -> dict[str, Figures]:
    """A run, with what each type has of the bytes and the speed without compression."""
    base = run.get(NONE)
    if not base:
        return run
    return {
        name: {**figures, OF_NONE: figures[STORED] / base[STORED], OF_SPEED: figures[SPEED] / base[SPEED]}
        for name, figures in run.items()
    }
