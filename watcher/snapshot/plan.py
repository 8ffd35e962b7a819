"""Course of a snapshot: how it begins, which collection comes next, what consumers are told. Pure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from watcher.config.mongodb.scope import Scope
from watcher.log import iso
from watcher.model import Notice, Snapshot

MOST_AGAIN = 16
"""Collections that may wait to be read once more; with more of them the snapshot begins anew."""

Chosen = Callable[[str], bool]
"""Says whether the watcher delivers a collection."""


def begun(
    reason: str,
    operation: Literal["insert", "replace"],
    collections: Sequence[str] = (),
    filters: Mapping[str, str] | None = None,
) -> Snapshot:
    """Make a snapshot that begins now. Consumers have not been told of it yet."""
    now = time.time()
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return Snapshot(
        id=f"snapshot-{moment}-{secrets.token_hex(3)}",
        operation=operation,
        reason=reason,
        started_at=iso(now),
        collections=tuple(collections),
        filters=dict(filters or {}),
    )


def resumed(snapshot: Snapshot | None, is_delivered: Chosen) -> Snapshot | None:
    """Return a position's snapshot as it goes on; None if none is under way. A collection that is not delivered any more is not
    read any further, and is not told to be complete."""
    if snapshot is None or snapshot.is_over:
        return None
    return snapshot if is_delivered(snapshot.collection) else _put_away(snapshot)


def query_of(snapshot: Snapshot, scope: Scope) -> str:
    """Return the query for the collection in hand, empty if there is none. One for its database goes before one for all."""
    _, collection = scope.place_of(snapshot.collection)
    return snapshot.filters.get(snapshot.collection) or snapshot.filters.get(collection, "")


def next_collection(snapshot: Snapshot, names: Iterable[str], scope: Scope) -> Snapshot | None:
    """Take the next of these collections in hand; None if there is none."""
    present = set(names)
    again = next((name for name in snapshot.again if name in present and scope.chooses(snapshot.collections, name)), "")
    if again:
        others = tuple(name for name in snapshot.again if name != again)
        return replace(snapshot, collection=again, last=b"", in_collection=0, again=others)
    beyond = (name for name in sorted(present) if name > snapshot.reached)
    following = next((name for name in beyond if scope.chooses(snapshot.collections, name)), "")
    return replace(snapshot, collection=following, reached=following, last=b"", in_collection=0) if following else None


def renamed_onto(snapshot: Snapshot, collection: str, scope: Scope) -> Snapshot:
    """Read a collection from its beginning, because another one has been renamed onto it."""
    if not scope.chooses(snapshot.collections, collection):
        return snapshot
    if collection == snapshot.collection:
        return replace(snapshot, last=b"", in_collection=0)
    if collection > snapshot.reached or collection in snapshot.again:
        return snapshot
    if len(snapshot.again) == MOST_AGAIN:
        return replace(snapshot, reached="", collection="", last=b"", in_collection=0, again=())
    return replace(snapshot, again=(*snapshot.again, collection))


def collection_completed(snapshot: Snapshot, scope: Scope) -> tuple[Snapshot, Notice]:
    """Put the collection in hand away; returns the message about it too."""
    database, collection = scope.place_of(snapshot.collection)
    told = {
        "database": database,
        "collection": collection,
        "documents": snapshot.in_collection,
        "filtered": bool(query_of(snapshot, scope)),
    }
    return _put_away(snapshot), notice("snapshotCollectionCompleted", snapshot, **told)


def _put_away(snapshot: Snapshot) -> Snapshot:
    """Have no collection in hand."""
    return replace(snapshot, collection="", last=b"", in_collection=0)


def ended(snapshot: Snapshot, state: Literal["completed", "stopped", "aborted"], reason: str = "") -> tuple[Snapshot, Notice]:
    """End the snapshot; returns the message about it too. Only a completed one ends as `snapshotCompleted`."""
    documents = snapshot.documents
    if state == "completed":
        told = notice("snapshotCompleted", snapshot, documents=documents, **_chosen(snapshot))
    else:
        told = notice("snapshotAborted", snapshot, documents=documents, reason=reason)
    return replace(snapshot, state=state, end_reason=reason), told


def announced(snapshot: Snapshot, sequence: int) -> tuple[Snapshot, Notice]:
    """Make the message that says that the snapshot begins; `sequence` will be its number."""
    snapshot = replace(snapshot, started_sequence=sequence)
    told = {"reason": snapshot.reason, "snapshotOperation": snapshot.operation}
    return snapshot, notice("snapshotStarted", snapshot, **told, **_chosen(snapshot))


def _chosen(snapshot: Snapshot) -> dict[str, Any]:
    """Return the choice of collections and documents as it stands in messages: nothing if it is all."""
    choice = {"collections": list(snapshot.collections), "filters": dict(snapshot.filters)}
    return {name: chosen for name, chosen in choice.items() if chosen}


def notice(operation: str, snapshot: Snapshot, **fields: Any) -> Notice:
    """Make a control message about a snapshot, with its id and the sequence number of `snapshotStarted`."""
    about: dict[str, Any] = {"snapshot": snapshot.id}
    if operation != "snapshotStarted":
        about["startedSequence"] = snapshot.started_sequence
    return Notice(operation, int(time.time() * 1000), about | fields)
