"""Costs of each format beside the generic one: each envelope, and headers, on one backlog, in one run. A part of `make bench`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import DeleteOne

from benchmarks.catchup import CPU, deliver
from benchmarks.contender import Watcher
from benchmarks.figures import Figures
from benchmarks.load import SIZES, Backlog, operations
from benchmarks.runs import Attempts
from watcher.sandbox.sandbox import Sandbox

GENERIC = "generic"
OF_GENERIC = "of generic's CPU"
CASES = (("small", False), ("medium", True))
"""Sizes of documents, and whether the backlog is a mix."""

FORMATS: Mapping[str, Mapping[str, Any]] = {
    GENERIC: {},
    "generic, extended": {"json_format": "extended"},
    "generic, with headers": {"kafka_headers": True},
    "generic, as CloudEvents": {"cloudevents": True},
    "document": {"envelope": "document"},
    "debezium": {"envelope": "debezium"},
    "mongodb": {"envelope": "mongodb"},
}


def compare(
    sandbox: Sandbox, backlog: Backlog, deletes: int, attempts: Attempts, runs: int, prefix: str
) -> list[dict[str, Figures]]:
    """The runs; in each, all formats in turn, and what each takes of the generic one's processor time. Debezium's has a tombstone
    more for each of the `deletes`."""
    contenders = [Watcher(name, settings=settings) for name, settings in FORMATS.items()]
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for place, contender in enumerate(attempts.in_turn(contenders)):
            with attempts.of(contender.name):
                tombstones = deletes if contender.name == "debezium" else 0
                topics = f"{prefix}{number}-{place}"
                run[contender.name] = deliver(sandbox, backlog, contender, topics, attempts.limit_s, tombstones=tombstones)
        base = run.get(GENERIC, {}).get(CPU)
        results.append({name: {**figures, **({OF_GENERIC: figures[CPU] / base} if base else {})} for name, figures in run.items()})
    return results


def deletes_in(events: int, size: str) -> int:
    """The number of deletes in a mix of `events` changes."""
    return sum(isinstance(operation, DeleteOne) for operation in operations(events, SIZES[size], mix=True))
