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
    "paused": "changes go on; no documents come until `snapshot resume`",
    "completed": "",
    "stopped": "not all was copied",
    "aborted": "not all was copied",
}
"""Meaning of each state, where its name does not say all."""


NOBODY = "no worker on this host goes on with it; one elsewhere may, a stopped one does so when it starts"

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
"""What the status file adds to a snapshot as Kafka holds it, by the names that it has there."""


@dataclass(frozen=True, slots=True)
class ProgressTold:
    """What the worker of this host has told of the snapshot. `is_live`: it does so now; else it may no longer run."""

    told: SnapshotStatus
    is_live: bool


@dataclass(frozen=True, slots=True)
class SnapshotSeen:
    """A watcher's snapshot as Kafka holds it, None if there was none; `fault` says why its position cannot be used."""

    settings: Settings
    snapshot: Snapshot | None
    fault: str = ""
    progress: ProgressTold | None = None


def progress_of(snapshot: Snapshot | None, report: StatusReport | None, now: datetime) -> ProgressTold | None:
    """Take from a status file what it tells of this very snapshot; without a rate and a reason to wait if nobody knows them now."""
    told = report.snapshot if report else None
    if report is None or told is None or snapshot is None or told.id != snapshot.id:
        return None
    is_live = report.state not in (WorkerState.STOPPED, WorkerState.FAILED) and now - report.updated_at < FRESH
    if is_live and not snapshot.is_over:
        return ProgressTold(told, is_live)
    return ProgressTold(replace(told, documents_per_second=0.0, seconds_left=None, waits_for=None), is_live)


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
                "progress": _progress_as_document(seen.progress),
            }
            for seen in snapshots
        ],
    }


def _progress_as_document(progress: ProgressTold | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    told = progress.told.as_json()
    return {"live": progress.is_live, **{key: told[key] for key in PROGRESS_KEYS}}


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
        lines += _lines(snapshot, seen.progress)
    return "\n".join([f"{seen.settings.name}  {state}", *(f"  {name:<12}{value}" for name, value in lines)])


def in_a_line(snapshot: Snapshot) -> str:
    """A snapshot in a line: its state, and how far it is."""
    return f"{snapshot.id}, {snapshot.state}, {progress_in_words(snapshot)}"


def progress_in_words(snapshot: Snapshot, estimate: int | None = None) -> str:
    """Progress of a snapshot, of about so many documents if that is known."""
    collection = f", {snapshot.in_collection:,} of them of {snapshot.collection}" if snapshot.collection else ""
    of_about = "" if estimate is None else f" of about {max(estimate, snapshot.documents):,}"
    return f"{snapshot.documents:,} documents{of_about}{collection}"


def _lines(snapshot: Snapshot, progress: ProgressTold | None) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line; a value that goes on has no name."""
    if meaning := MEANINGS[snapshot.state]:
        yield "note", meaning
    if snapshot.end_reason:
        yield "reason", snapshot.end_reason
    if not snapshot.is_over and not (progress and progress.is_live):
        yield "worker", NOBODY
    estimate = progress.told.estimate if progress else None
    yield "documents", progress_in_words(snapshot, estimate)
    if progress:
        yield from _progress_lines(progress.told)
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
