"""A watcher's snapshot as text and as JSON. The contract is in docs/commands.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from watcher.config import Settings
from watcher.model import Snapshot

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


def as_document(snapshots: Iterable[tuple[Settings, Snapshot | None, str]]) -> dict[str, Any]:
    """The document of `--json`: for each watcher its snapshot, and the fault if its position cannot be used."""
    return {
        "version": VERSION,
        "snapshots": [
            {
                "watcher": settings.name,
                "clientId": settings.kafka_client_id,
                "database": settings.database,
                "fault": fault or None,
                "snapshot": snapshot_as_document(snapshot),
            }
            for settings, snapshot, fault in snapshots
        ],
    }


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
    }


def as_text(settings: Settings, snapshot: Snapshot | None, fault: str) -> str:
    """The text of `status`, for people."""
    state = f"{snapshot.state}  {snapshot.id}" if snapshot else "unknown" if fault else "no snapshot"
    lines = {
        **({"fault": fault} if fault else {}),
        **(_lines(snapshot) if snapshot else {}),
    }
    return "\n".join([f"{settings.name}  {state}", *(f"  {name:<12}{value}" for name, value in lines.items())])


def in_a_line(snapshot: Snapshot) -> str:
    """A snapshot in a line: its state, and how far it is."""
    return f"{snapshot.id}, {snapshot.state}, {progress_in_words(snapshot)}"


def progress_in_words(snapshot: Snapshot) -> str:
    """Progress of a snapshot."""
    collection = f", {snapshot.in_collection:,} of them of {snapshot.collection}" if snapshot.collection else ""
    return f"{snapshot.documents:,} documents{collection}"


def _lines(snapshot: Snapshot) -> dict[str, str]:
    meaning = MEANINGS[snapshot.state]
    return {
        **({"note": meaning} if meaning else {}),
        "documents": progress_in_words(snapshot),
        "started": f"{snapshot.started_at}  {snapshot.reason}",
        "messages": f"{snapshot.operation}, after sequence {snapshot.started_sequence}",
        **({"chosen": ", ".join(snapshot.collections)} if snapshot.collections else {}),
        **({"filters": ", ".join(f"{name} {query}" for name, query in snapshot.filters.items())} if snapshot.filters else {}),
    }
