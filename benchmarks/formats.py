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
from tests.support.fake_registry import fake_registry
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
ENVELOPES = (GENERIC, "document", "debezium", "mongodb")


def all_formats(**registry: Any) -> dict[str, Mapping[str, Any]]:
    """The settings of each format, those of Avro with `registry` as well."""
    avro = {"serialization": "avro", **registry}
    return {**FORMATS, **{f"{envelope}, in Avro": {"envelope": envelope, **avro} for envelope in ENVELOPES}}


def compare(
    sandbox: Sandbox, backlog: Backlog, deletes: int, attempts: Attempts, runs: int, prefix: str
) -> list[dict[str, Figures]]:
    """The runs; in each, all formats in turn, and what each takes of the generic one's processor time. Debezium's has a tombstone
    more for each of the `deletes`."""
    results = []
    with fake_registry() as registry:
        contenders = [
            Watcher(name, settings=settings) for name, settings in all_formats(schema_registry={"url": registry.url}).items()
        ]
        for number in attempts.numbers(runs):
            run: dict[str, Figures] = {}
            for place, contender in enumerate(attempts.in_turn(contenders)):
                with attempts.of(contender.name):
                    tombstones = deletes if contender.name.startswith("debezium") else 0
                    topics = f"{prefix}{number}-{place}"
                    run[contender.name] = deliver(sandbox, backlog, contender, topics, attempts.limit_s, tombstones=tombstones)
            results.append(_beside_generic(run))
    return results


def _beside_generic(run: dict[str, Figures]) -> dict[str, Figures]:
    base = run.get(GENERIC, {}).get(CPU)
    return {name: {**figures, **({OF_GENERIC: figures[CPU] / base} if base else {})} for name, figures in run.items()}


def deletes_in(events: int, size: str) -> int:
    """The number of deletes in a mix of `events` changes."""
    return sum(isinstance(operation, DeleteOne) for operation in operations(events, SIZES[size], mix=True))
