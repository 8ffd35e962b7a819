"""A worker's account of snapshots: of the one under way, or of the last one. It tells what is in Kafka, not what has been read.

The numbers come with each committed position. Begin, end and each collection go to the log.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from watcher.model import Notice, Snapshot
from watcher.status.snapshot_status import SnapshotStatus
from watcher.worker.reporting.snapshot_collections import by_collection

COLLECTION_COMPLETED = "snapshotCollectionCompleted"
"""Operation of the message that says that a collection is copied."""

RATE_SECONDS = 10.0
"""Period over which documents per second are averaged."""

YOUNG_SECONDS = 1.0
"""Period that is too short for a rate."""

SILENT_SECONDS = 1.0
"""Time without documents from which on a snapshot counts as waiting; at single replies of MongoDB none can be read all the time."""

AWAY = {
    "mongodb": "MongoDB is away",
    "kafka": "Kafka is away",
    "schema-registry": "the schema registry is away",
    "worker": "the worker has ended",
}
"""Reasons to wait, by the component that was lost."""

GAP = "changes are missing"
"""The one reason for which another snapshot takes the place of one under way."""

logger = logging.getLogger("watcher")

NameOf: TypeAlias = Callable[[str, str], str]


class Snapshots:
    """The last snapshot, and counts of all. One thread notes what is delivered, one what is read, and a third one asks."""

    def __init__(self, before: SnapshotStatus | None, name_of: NameOf = lambda _, collection: collection) -> None:
        """`before` is what the previous process told last. If that was under way, it holds until the position is known. `name_of`
        names a collection of a database as the snapshot does."""
        self._name_of = name_of
        self.documents = 0
        """Documents that the present process has delivered."""
        self.ended: Counter[str] = Counter(completed=0, stopped=0, aborted=0)
        """Snapshots that ended in the present process, by their state."""
        self._before = replace(before, documents_per_second=0.0, seconds_left=None, waits_for=None) if before else None
        self._snapshot: Snapshot | None = None
        self._counts: Mapping[str, int] | None = None
        self._completed = deque[Notice]()
        self._id = before.id if before else ""
        self._copied = _copied(before) if before else {}
        self._waits_for = ""
        self._delivered_at = time.monotonic()
        self._ended_at: datetime | None = None
        self._rate = _Rate()

    def opened(self, snapshot: Snapshot | None, newest: Snapshot | None = None) -> None:
        """Note the snapshot of the position at which the worker begins; None if none is under way. `newest` is then the last one
        that ended, if that is known."""
        self._completed.clear()
        if snapshot:
            self._begin(snapshot)
            if snapshot.started_sequence:
                logger.info("the snapshot goes on", extra=_told(snapshot, collection=snapshot.collection))
        elif newest and newest.is_over:
            self._learn_end(newest)
        elif self._snapshot and not self._snapshot.is_over:
            self._snapshot = None  # somebody else has ended it, and nobody knows how
        if self._before and self._before.is_under_way:
            self._before = None

    def received(self, notices: Sequence[Notice]) -> None:
        """Note messages of the source that are about to be delivered."""
        self._completed.extend(notice for notice in notices if notice.operation == COLLECTION_COMPLETED)

    def counted(self, documents: Mapping[str, int]) -> None:
        """Note about how many documents each of the collections to be copied has."""
        self._counts = dict(sorted(documents.items()))

    def waits(self, reason: str) -> None:
        """Note why no documents are read."""
        self._waits_for = reason

    def lost(self, component: str) -> None:
        """Note that `mongodb`, `kafka`, `schema-registry` or the `worker` itself is away."""
        self._waits_for, self._delivered_at, self._rate = AWAY[component], float("-inf"), _Rate()

    def delivered(self, snapshot: Snapshot, collections: int) -> None:
        """Note the snapshot of a committed position, and that messages about so many completed collections were committed too."""
        before = self._snapshot
        if before is None or before.id != snapshot.id or not before.started_sequence:
            self._take_over(before, snapshot)
            before = None
        if documents := snapshot.documents - (before.documents if before else 0):
            self.documents += documents
            self._delivered_at, self._waits_for = time.monotonic(), ""
        for _ in range(min(collections, len(self._completed))):
            self._complete(self._completed.popleft())
        if snapshot.is_over and not (before and before.is_over):
            self._end(snapshot)
        self._snapshot = snapshot

    def status(self) -> SnapshotStatus | None:
        """Tell of the snapshot; None if there was none. Only one thread may ask."""
        if (snapshot := self._snapshot) is None:
            return self._before
        snapshot = self._with_filters_by_collection(snapshot)
        estimate = self._estimate(snapshot)
        rate = 0.0 if snapshot.is_over else self._rate.at(snapshot.documents)
        return SnapshotStatus(
            id=snapshot.id,
            state=snapshot.state,
            reason=snapshot.reason,
            collection=snapshot.collection,
            collection_documents=snapshot.in_collection,
            collection_estimate=self._estimate_of_collection(snapshot),
            collections_done=self._collections_done(snapshot),
            collections=None if self._counts is None else len(self._counts),
            by_collection=by_collection(snapshot, self._counts or {}, self._copied),
            documents=snapshot.documents,
            estimate=estimate,
            documents_per_second=round(rate, 1),
            seconds_left=round((estimate - snapshot.documents) / rate, 1) if rate and estimate is not None else None,
            waits_for=self._reason_to_wait(snapshot),
            started_at=datetime.fromisoformat(snapshot.started_at),
            ended_at=self._ended_at if snapshot.is_over else None,
            error=snapshot.end_reason if snapshot.state == "aborted" else None,
        )

    def _learn_end(self, ended: Snapshot) -> None:
        """Note how a snapshot ended that a command has ended, or whose last commit has an outcome that was not known."""
        known = self._snapshot or self._before
        if known and known.id == ended.id and known.state == ended.state:
            return
        was_under_way = self._snapshot is not None and self._snapshot.id == ended.id
        self._begin(ended)
        self._ended_at = None
        if was_under_way:
            self._end(ended)

    def _begin(self, snapshot: Snapshot) -> None:
        self._snapshot, self._rate, self._delivered_at = snapshot, _Rate(), time.monotonic()
        if snapshot.id != self._id:
            self._id, self._copied = snapshot.id, {}

    def _take_over(self, before: Snapshot | None, snapshot: Snapshot) -> None:
        """Go on with another snapshot than `before`, or with the same one when consumers have just been told of it."""
        if before and before.id != snapshot.id and not before.is_over:
            self._end(replace(before, state="aborted", end_reason=GAP))
        self._begin(snapshot)
        if snapshot.started_sequence:
            told = {"reason": snapshot.reason, "collections": len(self._counts or ()), "estimate": self._estimate(snapshot)}
            logger.info("the snapshot begins", extra=_told(snapshot, **told))

    def _complete(self, notice: Notice) -> None:
        fields = notice.fields
        name = self._name_of(fields.get("database", ""), fields["collection"])
        self._copied[name] = fields["documents"]
        told = {"snapshot": fields["snapshot"], "collection": name, "documents": fields["documents"]}
        logger.info("the collection is copied", extra=told)

    def _end(self, snapshot: Snapshot) -> None:
        self.ended[snapshot.state] += 1
        self._ended_at = datetime.fromtimestamp(time.time(), UTC)
        level = logging.WARNING if snapshot.state == "aborted" else logging.INFO
        told = _told(snapshot, reason=snapshot.end_reason) if snapshot.state == "aborted" else _told(snapshot)
        logger.log(level, "the snapshot is %s", snapshot.state, extra=told)

    def _with_filters_by_collection(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with each filter under the name of a collection. With several databases, one may be for the
        collection of that name in each of them."""
        names = (*(self._counts or ()), snapshot.collection)
        if not snapshot.filters or self._name_of("", "") == "":
            return snapshot
        found = {name: snapshot.filters.get(name) or snapshot.filters.get(name.partition(".")[2], "") for name in names}
        return replace(snapshot, filters={name: query for name, query in found.items() if query})

    def _estimate(self, snapshot: Snapshot) -> int | None:
        if self._counts is None or snapshot.is_over or any(name in snapshot.filters for name in self._counts):
            return None
        return max(snapshot.documents, sum(self._counts.values()))

    def _estimate_of_collection(self, snapshot: Snapshot) -> int | None:
        name = snapshot.collection
        if self._counts is None or name not in self._counts or name in snapshot.filters:
            return None
        return max(snapshot.in_collection, self._counts[name])

    def _collections_done(self, snapshot: Snapshot) -> int:
        begun = sum(name <= snapshot.reached for name in self._counts or ())
        return max(0, begun - bool(snapshot.collection) - len(snapshot.again))

    def _reason_to_wait(self, snapshot: Snapshot) -> str | None:
        is_silent = snapshot.state == "running" and time.monotonic() - self._delivered_at > SILENT_SECONDS
        return self._waits_for or None if is_silent else None


class _Rate:
    """Documents a second, over the last RATE_SECONDS or since the first question."""

    def __init__(self) -> None:
        self._samples = deque[tuple[float, int]]()

    def at(self, documents: int) -> float:
        """Return the rate, given the present count; 0 as long as it cannot be told."""
        now = time.monotonic()
        self._samples.append((now, documents))
        while now - self._samples[0][0] > RATE_SECONDS:
            self._samples.popleft()
        first, before = self._samples[0]
        return (documents - before) / (now - first) if now - first >= YOUNG_SECONDS else 0.0


def _copied(before: SnapshotStatus) -> dict[str, int]:
    """Return how many documents of each copied collection are in Kafka, as far as the previous process has told."""
    return {each.name: each.documents for each in before.by_collection if each.state == "copied" and each.documents is not None}


def _told(snapshot: Snapshot, **more: Any) -> dict[str, Any]:
    return {"snapshot": snapshot.id, "documents": snapshot.documents, **more}
