"""A snapshot's state on one line, and that of each of its collections, as `watcherctl status` and the page show it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from watcher.status.snapshot_status import CollectionStatus, SnapshotStatus
from watcher.terminal.durations import duration_in_words, seconds_in_words

RECENT = timedelta(hours=1)
"""Time for which a completed or stopped snapshot is still shown after its end."""


def is_shown(snapshot: SnapshotStatus | None, now: datetime) -> bool:
    """Return True if the snapshot is under way, or ended not long ago, or failed and no other has taken its place."""
    if snapshot is None:
        return False
    return (
        snapshot.is_under_way or snapshot.state == "aborted" or (snapshot.ended_at is not None and now - snapshot.ended_at < RECENT)
    )


def snapshot_line(snapshot: SnapshotStatus, now: datetime, *, is_live: bool) -> str:
    """Write the line. `is_live`: a worker runs that has told this, and not long ago."""
    if not snapshot.is_under_way:
        return _ended(snapshot, now)
    if not is_live:
        return f"snapshot stands at {_share(snapshot)}: no worker goes on with it"
    if snapshot.state == "paused":
        return f"snapshot paused at {_share(snapshot)}"
    if snapshot.waits_for:
        return f"snapshot waits at {_share(snapshot)}: {snapshot.waits_for}"
    return f"snapshot {' · '.join(_course(snapshot))}"


def rate_and_rest(snapshot: SnapshotStatus) -> Iterator[str]:
    """Yield how fast it is and how long it will take, as far as that can be told."""
    if rate := snapshot.documents_per_second:
        yield f"{rate:,.0f}/s" if rate >= 1 else f"{rate:.1f}/s"
    if snapshot.seconds_left is not None:
        yield f"about {_roughly(snapshot.seconds_left)} left"


def collection_line(collection: CollectionStatus) -> str:
    """Write how far a collection is."""
    if collection.state == "copied":
        return "copied" if collection.documents is None else f"copied, {collection.documents:,} documents"
    if collection.state == "waiting":
        return "waits" if collection.estimate is None else f"waits, about {collection.estimate:,} documents"
    progress = _of_about(collection.documents or 0, collection.estimate)
    return f"not complete, {progress} documents" if collection.state == "incomplete" else f"{progress} documents"


def others_line(snapshot: SnapshotStatus) -> str:
    """Tell how many collections there are besides those that the status lists; empty if there are none."""
    others = (snapshot.collections or 0) - len(snapshot.by_collection)
    if others <= 0 or not snapshot.by_collection:
        return ""
    return f"and {others:,} more; of all {snapshot.collections:,} collections {snapshot.collections_done:,} are copied"


def _ended(snapshot: SnapshotStatus, now: datetime) -> str:
    ago = f" {duration_in_words(now - snapshot.ended_at)} ago" if snapshot.ended_at else ""
    if snapshot.state == "completed":
        return f"snapshot completed{ago}: {snapshot.documents:,} documents"
    why = f": {snapshot.error}" if snapshot.error else ""
    return f"snapshot {snapshot.state}{ago}, not complete: after {snapshot.documents:,} documents{why}"


def _course(snapshot: SnapshotStatus) -> Iterator[str]:
    several = snapshot.collections is not None and snapshot.collections > 1
    if several or not snapshot.collection:
        yield _share(snapshot)
    if snapshot.collection:
        yield f"{snapshot.collection} {_of_about(snapshot.collection_documents, snapshot.collection_estimate)}"
    if several and snapshot.collections:
        yield f"collection {min(snapshot.collections_done + 1, snapshot.collections)} of {snapshot.collections}"
    yield from rate_and_rest(snapshot)


def _share(snapshot: SnapshotStatus) -> str:
    return f"{_of_about(snapshot.documents, snapshot.estimate)} documents"


def _of_about(documents: int, estimate: int | None) -> str:
    return f"{documents:,}" if estimate is None else f"{documents:,} of about {estimate:,}"


def _roughly(seconds: float) -> str:
    return f"{max(1, round(seconds))}s" if seconds < 10 else seconds_in_words(seconds)
