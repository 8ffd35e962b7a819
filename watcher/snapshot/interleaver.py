"""Puts the documents that are there already between the events of a change stream, so that neither leads behind the other.

A chunk of documents is read as of the very time at which the stream stands: just before the last events of a reply, or at a time up
to which the stream is known to be empty. What came before is delivered before, what comes after is delivered after. No write to the
source, no marks in the stream, no memory of rows. docs/snapshots.md explains the conditions; each of them stands for an order of
events in which a document would go back, and tests/unit/test_snapshot_model.py finds that order when one is taken away."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from typing import Literal

from bson.raw_bson import RawBSONDocument

from watcher.bson_elements import id_document
from watcher.config import Settings
from watcher.model import Batch, Notice, Position, ResumeToken, Snapshot, Ticks, token_ticks
from watcher.snapshot import plan
from watcher.snapshot.later_chunk import LaterChunk
from watcher.snapshot.pace import Pace
from watcher.snapshot.place import ChunkPlace, operation_of, place_in
from watcher.snapshot.ports import Documents, Read, SnapshotObserver, Stream, Unanswerable, Unreadable
from watcher.snapshot.rows import namespace_of, row_events, superseded_rows
from watcher.snapshot.scan import Scan

AT_ONCE_MS = 1
"""Wait of a getMore while chunks are read."""

SOON_MS = 50
"""Wait of a getMore after a reply at which no chunk could be read."""

logger = logging.getLogger("watcher")


class Interleaver:
    """A source for the pipeline: a change stream, and the chunks of a snapshot in between."""

    def __init__(self, stream: Stream, documents: Documents, settings: Settings, observer: SnapshotObserver) -> None:
        self._stream = stream
        self._documents = documents
        self._scan = Scan(documents)
        self._settings = settings
        self._scope = settings.scope
        self._observer = observer
        self._pace = Pace(settings.snapshot_documents_per_second)
        self._queue: deque[Batch] = deque()
        self._snapshot: Snapshot | None = None
        self._later: LaterChunk | None = None
        """Chunk that was read later than the stream stood."""
        self._wait_ms = SOON_MS
        self._failure = ""
        """Reason for which the snapshot cannot come to its end."""
        self._none_left: Ticks | None = None
        """Time at which no collection was left to be read; forgotten with each rename, which may bring one."""
        self._token: ResumeToken = {}
        self._delivered: Ticks = (0, 0)
        """Time of the last event that was handed on; after an opening, of the position."""
        self._before: Ticks = (0, 0)
        """Greatest operation time of the replies before. Another member may answer with a smaller one."""

    def open(self, position: Position) -> Batch:
        """Open the stream, and go on with the position's snapshot; a first start and a gap may begin one."""
        self._queue.clear()
        self._none_left = self._later = None
        self._failure = ""
        batch = self._stream.open(position)
        notices = [*batch.notices]
        self._snapshot = plan.resumed(position.snapshot, self._scope.watches)
        if is_gap(batch):
            notices += self._abort("changes are missing")
        elif position.token is None and self._settings.snapshot_mode == "initial":
            self._snapshot = self._new("initial")
        if self._snapshot and not self._snapshot.is_over:
            if not self._snapshot.started_sequence:
                self._snapshot, notice = plan.announced(self._snapshot, position.sequence + len(notices) + 1)
                notices.append(notice)
            self._observer.snapshot_counted(self._documents.counts(self._chooses))
        # At a first start nothing was delivered. MongoDB's token is a tick ahead then, for which an idle server would have to wait.
        self._token, self._delivered = batch.token, token_ticks(batch.token) if position.token else (0, 0)
        self._before = max(batch.operation_time, self._snapshot.seen if self._snapshot else (0, 0))
        return self._noted(replace(batch, notices=notices))

    def next(self) -> Batch:
        """Return the next events, or documents, or both."""
        if not self._queue:
            self._queue.extend(self._read())
        return self._queue.popleft()

    def _read(self) -> Iterator[Batch]:
        if self._snapshot and self._snapshot.is_over:
            self._snapshot = None
        reply = self._stream.next(self._patience_ms())
        if is_gap(reply) and (self._snapshot or self._settings.on_position_lost == "snapshot"):
            yield self._after_gap(reply)
        elif self._snapshot:
            self._snapshot = replace(self._snapshot, seen=max(self._snapshot.seen, reply.operation_time))
            yield from self._interleaved(reply)
        else:
            yield reply
        if reply.events:
            self._delivered = token_ticks(reply.position_after(len(reply.events)))
        self._token, self._before = reply.token, max(self._before, reply.operation_time)

    def _patience_ms(self) -> int | None:
        """Return the time to wait for events: none while documents can be read instead."""
        if self._snapshot is None or self._snapshot.state == "paused":
            return None
        return max(self._wait_ms, min(1000, ceil(self._pace.wait_seconds(time.monotonic()) * 1000)))

    def _interleaved(self, reply: Batch) -> Iterator[Batch]:
        """Yield the reply's events, and a chunk between them if one can be read at this reply."""
        place, read = self._later_chunk(self._later, reply) if self._later else self._chunk(reply)
        if place and read and read.documents:
            yield from self._with_rows(reply, place, read)
        else:
            if place and read and read.last:  # no document passed the pipeline
                self._snapshot = replace(self._running, last=read.last)
            yield from self._without_rows(reply)
        if place and (notices := self._ends(place.at, read)):
            yield self._noted(replace(reply, events=(), notices=notices, size=0))

    def _chunk(self, reply: Batch) -> tuple[ChunkPlace | None, Read | None]:
        """Read a chunk for this reply; returns its place and its documents, None where there is none."""
        place = self._place(reply)
        if place and not self._running.collection:
            self._take_next()
        in_hand = place and self._running.collection
        read = self._documents_at(place.at, busy=bool(reply.events)) if place and in_hand else None
        self._wait_ms = SOON_MS if read is None else AT_ONCE_MS
        if place and read and read.at > place.at:
            self._later = LaterChunk(read, namespace_of(*self._scope.place_of(self._running.collection)))
            return None, None
        return place, read

    def _later_chunk(self, later: LaterChunk, reply: Batch) -> tuple[ChunkPlace | None, Read | None]:
        """Return the place and the documents of the chunk that was read before; None until the stream has come to its time."""
        place = later.place_in(reply)
        self._later = None if place or later.is_spoilt else later
        self._wait_ms = AT_ONCE_MS if place else SOON_MS
        return place, later.rest if place else None

    def _place(self, reply: Batch) -> ChunkPlace | None:
        """Return the place for a chunk; None if the stream goes first."""
        reason = "paused" if self._running.state == "paused" else "the stream is behind" if reply.more else ""
        if reason:
            self._observer.snapshot_waits(reason)
            return None
        place = place_in(reply, self._delivered, self._before, looked_up=self._settings.full_document == "updateLookup")
        if place is None:
            self._observer.snapshot_waits("changes go first")
        return place

    def _documents_at(self, at: Ticks, *, busy: bool) -> Read | None:
        """Read the next documents of the collection in hand; None if they cannot be read now."""
        snapshot, begun = self._running, time.monotonic()
        if self._pace.wait_seconds(begun) > 0:
            return None
        query = plan.query_of(snapshot, self._scope)
        try:
            read = self._scan.read(snapshot.collection, snapshot.last, at, self._pace.limit(), query)
        except Unreadable as error:
            self._observer.snapshot_waits(str(error))
            return None
        except Unanswerable as error:
            self._failure = str(error)
            return None
        now = time.monotonic()
        self._pace.read(len(read.documents), sum(map(len, read.documents)), now - begun, now, busy=busy)
        return read

    def _with_rows(self, reply: Batch, place: ChunkPlace, read: Read) -> Iterator[Batch]:
        snapshot, documents, events = self._running, read.documents, reply.events[: place.events]
        namespace = namespace_of(*self._scope.place_of(snapshot.collection))
        yield replace(
            reply,
            events=[*events, *row_events(documents, snapshot, namespace, place.at)],
            token=reply.position_after(place.events) if events else self._token if reply.events else reply.token,
            more=True,
            snapshot=snapshot,
            rows=len(documents),
            snapshot_at=lambda rows: advanced(snapshot, read, rows),
            superseded=superseded_rows(documents, events, namespace),
        )
        self._snapshot = advanced(snapshot, read, len(documents))
        if reply.events:
            yield self._noted(replace(reply, events=reply.events[place.events :], notices=(), size=0))

    def _without_rows(self, reply: Batch) -> Iterator[Batch]:
        """Yield the reply, cut after each rename, so that its transaction notes what has to be read again."""
        done = 0
        for number, event in enumerate(reply.events, 1):
            if operation_of(event) == b"rename" and self._note_rename(event):
                events, token = reply.events[done:number], reply.position_after(number)
                yield self._noted(replace(reply, events=events, token=token, more=True, ended=False, size=0))
                done = number
        yield self._noted(replace(reply, events=reply.events[done:]))

    def _note_rename(self, event: bytes) -> bool:
        """Note a rename; returns True if a collection has to be read again."""
        target = RawBSONDocument(event)["to"]
        before = self._running
        if self._scope.includes(target["db"], target["coll"]):
            name = self._scope.name_of(target["db"], target["coll"])
            self._snapshot = plan.renamed_onto(before, name, self._scope)
            self._scan.forget(name)
            self._none_left = None
        return self._snapshot != before

    def _ends(self, at: Ticks, read: Read | None) -> list[Notice]:
        """Put away the collection in hand if it is read to its end, and the snapshot if nothing is left. Returns the messages about
        it.

        The snapshot is complete only once the stream has come to the time at which no collection was left: a rename that is still
        to be delivered may have given a collection a name that was done before.
        """
        notices = list[Notice]()
        if self._failure:
            self._snapshot, notice = plan.ended(self._running, "aborted", self._failure)
            self._failure = ""
            return [notice]
        if read and read.complete:
            self._snapshot, notice = plan.collection_completed(self._running, self._scope)
            notices.append(notice)
            self._take_next()
        if self._none_left and self._none_left <= at:
            self._snapshot, notice = plan.ended(self._running, "completed")
            notices.append(notice)
        return notices

    def _take_next(self) -> None:
        """Take the next collection in hand, or note the time at which there was none."""
        if self._none_left is None:
            following, time = self._scan.choose(lambda names: plan.next_collection(self._running, names, self._scope))
            self._snapshot, self._none_left = following or self._snapshot, None if following else time

    def _after_gap(self, reply: Batch) -> Batch:
        """End the stream after a gap; what begins then, begins at the opening."""
        notices = [*reply.notices, *self._abort("changes are missing")]
        return self._noted(replace(reply, notices=notices, ended=True, more=False))

    def _abort(self, reason: str) -> list[Notice]:
        """Abort the snapshot because of a gap, and begin another one if the settings want it. Returns the messages about the
        end."""
        aborted, notices = self._snapshot, list[Notice]()
        if aborted:
            self._snapshot, notice = plan.ended(aborted, "aborted", reason)
            notices = [notice] if aborted.started_sequence else []  # of another one nobody has heard
        if self._settings.on_position_lost == "snapshot":
            self._snapshot = self._new("position lost", "replace")
        elif aborted and aborted.reason == "initial" and self._settings.snapshot_mode == "initial":
            self._snapshot = self._new("initial")
        return notices

    def _new(self, reason: str, operation: Literal["insert", "replace"] = "insert") -> Snapshot:
        """Begin a snapshot by the settings. A bad query is found here, and not when its collection's turn comes."""
        self._documents.try_out(self._settings.snapshot_filter)
        return plan.begun(reason, operation, self._settings.snapshot_collections, self._settings.snapshot_filter)

    def _chooses(self, name: str) -> bool:
        return self._scope.chooses(self._running.collections, name)

    def _noted(self, batch: Batch) -> Batch:
        return replace(batch, snapshot=self._snapshot)

    @property
    def _running(self) -> Snapshot:
        if self._snapshot is None:
            raise RuntimeError("no snapshot is under way")
        return self._snapshot


def advanced(snapshot: Snapshot, read: Read, rows: int) -> Snapshot:
    """Return the snapshot after the first `rows` of the documents that were read."""
    is_all = rows == len(read.documents) and read.last
    return replace(
        snapshot,
        last=read.last if is_all else id_document(read.documents[rows - 1]),
        documents=snapshot.documents + rows,
        in_collection=snapshot.in_collection + rows,
    )


def is_gap(batch: Batch) -> bool:
    """Return True if changes are missing before the batch."""
    return any(notice.operation == "gap" for notice in batch.notices)
