"""A snapshot as the page shows it: in a line, with a bar for each collection, and with what can be done about it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watcher.fleet.status import Row
from watcher.status.snapshot_status import CollectionStatus, SnapshotStatus
from watcher.terminal.snapshot_line import collection_line, is_shown, others_line, snapshot_line

STEPS = {"running": ("pause", "stop"), "paused": ("resume", "stop")}
"""Commands that make sense in each state; in the others it is `start`."""


@dataclass(frozen=True, slots=True)
class CollectionBar:
    """One collection in words. `share` is the part of it that is in Kafka, from 0 to 1; None if nobody can tell."""

    name: str
    state: str
    words: str
    share: float | None


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A snapshot in words. `share` is the part of it that is in Kafka, from 0 to 1; None if nobody can tell, or once it's over.

    `others` tells of the collections that have no bar of their own; it is empty if each has one.
    """

    words: str
    share: float | None
    is_aborted: bool
    bars: tuple[CollectionBar, ...]
    others: str


def snapshot_view(row: Row, at: datetime) -> SnapshotView | None:
    """Make the view of the snapshot under way, or of one that ended not long ago; None if there is none."""
    snapshot = row.report.snapshot if row.report else None
    if snapshot is None or not is_shown(snapshot, at):
        return None
    line = snapshot_line(snapshot, at, is_live=row.live is not None)
    bars = tuple(map(_bar, snapshot.by_collection))
    return SnapshotView(line, _share(snapshot), snapshot.state == "aborted", bars, others_line(snapshot))


def steps(row: Row) -> tuple[str, ...]:
    """Return the commands that the page offers for the watcher's snapshot."""
    snapshot = row.report.snapshot if row.report else None
    return STEPS.get(snapshot.state if snapshot else "", ("start",))


def _share(snapshot: SnapshotStatus) -> float | None:
    return _part(snapshot.documents, snapshot.estimate) if snapshot.is_under_way else None


def _bar(collection: CollectionStatus) -> CollectionBar:
    share = 1.0 if collection.state == "copied" else _part(collection.documents or 0, collection.estimate)
    return CollectionBar(collection.name, collection.state, collection_line(collection), share)


def _part(documents: int, estimate: int | None) -> float | None:
    return min(1.0, documents / estimate) if estimate else None
