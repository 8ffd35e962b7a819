"""A watcher's snapshot as text and as JSON. The contract is in docs/commands.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from watcher.config import Settings
from watcher.model import Snapshot
from watcher.status.report import FRESH, StatusReport, WorkerState
from watcher.status.snapshot_status import SnapshotStatus
from watcher.terminal.message_text import printable
from watcher.terminal.snapshot_line import collection_line, others_line, rate_and_rest

VERSION = 1
"""The version of the JSON form. It goes up if a key is removed or changes its meaning, but not for new keys."""

MEANINGS = {
    "running": "",
    "paused": "no documents come until `snapshot resume`",
    "completed": "",
    "stopped": "not all was copied",
    "aborted": "not all was copied",
}
"""Meaning of each state, where its name does not say all."""


NOBODY = "none runs on this host"
GOES_ON = "the snapshot goes on where one does, or when one starts"

PROGRESS_KEYS = (
    "estimate",
    "documentsPerSecond",
    "secondsLeft",
    "waitsFor",
    "collectionEstimate",
    "collectionsDone",
    "collections",
    "byCollection",
)
"""Additions of the status file to a snapshot as Kafka holds it, by the names that it has there."""


@dataclass(frozen=True, slots=True)
class SnapshotSeen:
    """A watcher's snapshot as Kafka holds it, None if there was none; `fault` says why its position cannot be used.

    `has_worker`: one of this host tells what it does now. `told` is what it has told of this snapshot, perhaps before it ended.
    """

    settings: Settings
    snapshot: Snapshot | None
    fault: str = ""
    has_worker: bool = False
    told: SnapshotStatus | None = None


def with_report(seen: SnapshotSeen, report: StatusReport | None, now: datetime) -> SnapshotSeen:
    """Add what a status file tells of this very snapshot; without a rate and a reason to wait if nobody knows them now."""
    snapshot, told = seen.snapshot, report.snapshot if report else None
    if report is None or snapshot is None:
        return seen
    has_worker = report.state not in (WorkerState.STOPPED, WorkerState.FAILED) and abs(now - report.updated_at) < FRESH
    if told and told.id != snapshot.id:
        told = None
    if told and (snapshot.is_over or not has_worker):
        told = replace(told, documents_per_second=0.0, seconds_left=None, waits_for=None)
    return replace(seen, has_worker=has_worker, told=told)


def as_document(snapshots: Iterable[SnapshotSeen]) -> dict[str, Any]:
    """The document of `--json`: for each watcher its snapshot, and the fault if its position cannot be used."""
    return {
        "version": VERSION,
        "snapshots": [
            {
                "watcher": seen.settings.name,
                "clientId": seen.settings.kafka_client_id,
                "database": seen.settings.database,
                "fault": seen.fault or None,
                "snapshot": snapshot_as_document(seen.snapshot),
                "progress": _progress_as_document(seen),
            }
            for seen in snapshots
        ],
    }


def _progress_as_document(seen: SnapshotSeen) -> dict[str, Any] | None:
    if seen.told is None:
        return None
    told = seen.told.as_json()
    return {"live": seen.has_worker, **{key: told[key] for key in PROGRESS_KEYS}}


def snapshot_as_document(snapshot: Snapshot | None) -> dict[str, Any] | None:
    """A snapshot as JSON; None for none."""
    if snapshot is None:
        return None
    return {
        "id": snapshot.id,
        "state": snapshot.state,
        "reason": snapshot.reason,
        "operation": snapshot.operation,
        "startedAt": snapshot.started_at,
        "startedSequence": snapshot.started_sequence,
        "collections": list(snapshot.collections),
        "filters": {name: orjson.loads(query) for name, query in snapshot.filters.items()},
        "collection": snapshot.collection or None,
        "collectionDocuments": snapshot.in_collection,
        "documents": snapshot.documents,
        "endReason": snapshot.end_reason or None,
    }


def as_text(seen: SnapshotSeen) -> str:
    """The text of `status`, for people."""
    snapshot = seen.snapshot
    state = f"{snapshot.state}  {snapshot.id}" if snapshot else "unknown" if seen.fault else "no snapshot"
    lines = [("fault", seen.fault)] if seen.fault else []
    if snapshot:
        lines += _lines(snapshot, seen.told, has_worker=seen.has_worker)
    return "\n".join([f"{seen.settings.name}  {state}", *(f"  {name:<12}{value}" for name, value in lines)])


def in_a_line(snapshot: Snapshot) -> str:
    """A snapshot in a line: its state, and how far it is."""
    return f"{snapshot.id}, {snapshot.state}, {progress_in_words(snapshot)}"


def progress_in_words(snapshot: Snapshot, estimate: int | None = None) -> str:
    """Progress of a snapshot, of about so many documents if that is known."""
    collection = f", {snapshot.in_collection:,} of them of {snapshot.collection}" if snapshot.collection else ""
    of_about = "" if estimate is None else f" of about {max(estimate, snapshot.documents):,}"
    return f"{snapshot.documents:,} documents{of_about}{collection}"


def _lines(snapshot: Snapshot, told: SnapshotStatus | None, *, has_worker: bool) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line; a value that goes on has no name."""
    if meaning := MEANINGS[snapshot.state]:
        yield "note", meaning
    if snapshot.end_reason:
        yield "reason", snapshot.end_reason
    if not snapshot.is_over and not has_worker:
        yield "worker", NOBODY if snapshot.state == "paused" else f"{NOBODY}; {GOES_ON}"
    yield "documents", progress_in_words(snapshot, told.estimate if told else None)
    if told:
        yield from _progress_lines(told)
    yield "started", f"{snapshot.started_at}  {snapshot.reason}"
    yield "messages", f"{snapshot.operation}, after sequence {snapshot.started_sequence}"
    if snapshot.collections:
        yield "chosen", ", ".join(snapshot.collections)
    if snapshot.filters:
        yield "filters", ", ".join(f"{name} {query}" for name, query in snapshot.filters.items())


def _progress_lines(told: SnapshotStatus) -> Iterator[tuple[str, str]]:
    if course := ", ".join(rate_and_rest(told)):
        yield "speed", course
    if told.waits_for:
        yield "waits", told.waits_for
    if told.by_collection:
        yield "collections", f"{told.collections_done:,} of {told.collections or 0:,} copied"
        width = max(len(printable(each.name)) for each in told.by_collection)
        yield from (("", f"{printable(each.name):<{width}}  {collection_line(each)}") for each in told.by_collection)
        if others := others_line(told):
            yield "", others
