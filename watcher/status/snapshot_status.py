"""The part of a status file that tells of a snapshot. `make docs-parts` puts its fields into `docs/status-json.md`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from watcher.status.json_record import JsonRecord

UNDER_WAY = ("running", "paused")
STATES = (*UNDER_WAY, "completed", "stopped", "aborted")
"""States of a snapshot. Only a completed one holds everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionStatus(JsonRecord):
    """One collection of a snapshot."""

    name: Annotated[str, "the collection"]
    state: Annotated[str, "`waiting`, `copying`, `copied`, or `incomplete` if the snapshot has ended before it was copied"]
    documents: Annotated[int | None, "its documents that are in Kafka; null if they were copied before this was known"] = None
    estimate: Annotated[int | None, "about how many it has; null once they are copied, and if a query chooses among them"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotStatus(JsonRecord):
    """The snapshot under way, or the last one. All of its numbers are about what is in Kafka."""

    id: Annotated[str, "the snapshot's id, which each of its messages has too"]
    state: Annotated[str, "`running`, `paused`, `completed`, `stopped` or `aborted`; only a completed one holds everything"]
    reason: Annotated[str, "why it was begun: `initial`, `position lost`, or what a command gave"] = ""
    collection: Annotated[str, "the collection in hand; empty between two"] = ""
    collection_documents: Annotated[int, "the documents of this collection that are in Kafka"] = 0
    collection_estimate: Annotated[int | None, "about how many it has; null if a query chooses among them"] = None
    collections_done: Annotated[int, "the collections that are copied"] = 0
    collections: Annotated[int | None, "the collections to be copied; null until they are counted"] = None
    by_collection: Annotated[
        tuple[CollectionStatus, ...],
        "[the collections one by one](#a-snapshots-collections), at most 20 around the one in hand; empty if all are copied",
    ] = ()
    documents: Annotated[int, "the documents of the snapshot that are in Kafka"] = 0
    estimate: Annotated[int | None, "about how many there will be; null until they are counted, and if a query chooses"] = None
    documents_per_second: Annotated[float, "its documents delivered in a second, on average over the last 10 s"] = 0.0
    seconds_left: Annotated[float | None, "how long it will take at this rate; null if nobody can tell"] = None
    waits_for: Annotated[str | None, "why no documents have come for a second, if the worker knows"] = None
    started_at: Annotated[datetime | None, "when it was begun"] = None
    ended_at: Annotated[datetime | None, "when its last message was committed"] = None
    error: Annotated[str | None, "why it was aborted"] = None

    @property
    def is_under_way(self) -> bool:
        """Return True if more is to come of it."""
        return self.state in UNDER_WAY
