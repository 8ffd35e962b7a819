"""Costs of each format beside the generic one: each envelope, and headers, on one backlog, in one run, and beside the peer whose
envelope it is. A part of `make bench`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import DeleteOne

from benchmarks.catchup import CPU, SPEED, deliver
from benchmarks.contender import Contender, Watcher
from benchmarks.figures import Figures
from benchmarks.load import SIZES, Backlog, operations
from benchmarks.runs import Attempts
from tests.support.fake_registry import fake_registry
from watcher.sandbox.sandbox import Sandbox

GENERIC = "generic"
OF_GENERIC = "of generic's CPU"
OF_PEER = "of the peer's events/s"
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
PEERS = {"debezium": "Debezium", "mongodb": "MongoDB's connector"}
"""The contenders that write the same messages, by our envelope."""
ENVELOPES = (GENERIC, "document", "debezium", "mongodb")


def all_formats(**registry: Any) -> dict[str, Mapping[str, Any]]:
    """The settings of each format, those of Avro with `registry` as well."""
    avro = {"serialization": "avro", **registry}
    return {**FORMATS, **{f"{envelope}, in Avro": {"envelope": envelope, **avro} for envelope in ENVELOPES}}


def compare(
    sandbox: Sandbox, backlog: Backlog, deletes: int, peers: Sequence[Contender], attempts: Attempts, runs: int, prefix: str
) -> list[dict[str, Figures]]:
    """The runs; in each, all formats and `peers` in turn, what each format takes of the generic one's processor time, and how many
    times its peer's speed it has. Our messages in Debezium's envelope have a tombstone more for each of the `deletes`."""
    results = []
    with fake_registry() as registry:
        formats = all_formats(schema_registry={"url": registry.url})
        ours: list[Contender] = [Watcher(name, settings=settings) for name, settings in formats.items()]
        contenders = [*ours, *(peer for peer in peers if peer.name in PEERS.values())]
        for number in attempts.numbers(runs):
            run: dict[str, Figures] = {}
            for place, contender in enumerate(attempts.in_turn(contenders)):
                with attempts.of(contender.name):
                    tombstones = deletes if contender.name.startswith("debezium") else 0
                    topics = f"{prefix}{number}-{place}"
                    run[contender.name] = deliver(sandbox, backlog, contender, topics, attempts.limit_s, tombstones=tombstones)
            results.append(beside_others(run))
    return results


def beside_others(run: dict[str, Figures]) -> dict[str, Figures]:
    """A run, with what each takes of the generic format's processor time, and what ours have of their peers' speed."""
    base = run.get(GENERIC, {}).get(CPU)
    speeds = {ours: run[peer][SPEED] for ours, peer in PEERS.items() if peer in run}
    return {
        name: {
            **figures,
            **({OF_GENERIC: figures[CPU] / base} if base else {}),
            **({OF_PEER: figures[SPEED] / speeds[name]} if name in speeds else {}),
        }
        for name, figures in run.items()
    }


def deletes_in(events: int, size: str) -> int:
    """The number of deletes in a mix of `events` changes."""
    return sum(isinstance(operation, DeleteOne) for operation in operations(events, SIZES[size], mix=True))
