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

from watcher.config import Settings
from watcher.model import Batch, Position, ResumeToken, Snapshot, Ticks, token_ticks
from watcher.snapshot.course import Course, advanced
from watcher.snapshot.later_chunk import LaterChunk
from watcher.snapshot.pace import Pace
from watcher.snapshot.place import ChunkPlace, operation_of, place_in
from watcher.snapshot.ports import Documents, Read, SnapshotObserver, Stream, Unreadable
from watcher.snapshot.rows import row_events, superseded_rows

AT_ONCE_MS = 1
"""Wait of a getMore while chunks are read."""

SOON_MS = 50
"""Wait of a getMore after a reply at which no chunk could be read."""

logger = logging.getLogger("watcher")


class Interleaver:
    """A source for the pipeline: a change stream, and the chunks of a snapshot in between."""

    def __init__(self, stream: Stream, documents: Documents, settings: Settings, observer: SnapshotObserver) -> None:
        self._stream = stream
        self._course = Course(documents, settings)
        self._settings = settings
        self._observer = observer
        self._pace = Pace(settings.snapshot_documents_per_second)
        self._queue: deque[Batch] = deque()
        self._later: LaterChunk | None = None
        """Chunk that was read later than the stream stood."""
        self._wait_ms = SOON_MS
        self._token: ResumeToken = {}
        self._delivered: Ticks = (0, 0)
        """Time of the last event that was handed on; after an opening, of the position."""
        self._before: Ticks = (0, 0)
        """Greatest operation time of the replies before. Another member may answer with a smaller one."""

    def open(self, position: Position) -> Batch:
        """Open the stream, and go on with the position's snapshot; a first start and a gap may begin one."""
        self._queue.clear()
        self._later = None
        batch = self._stream.open(position)
        sequence = position.sequence + len(batch.notices)
        notices = [*batch.notices, *self._course.open(position, is_gap=is_gap(batch), sequence=sequence)]
        if self._course.is_under_way:
            self._observer.snapshot_counted(self._course.counts())
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
        self._course.forget_if_over()
        reply = self._stream.next(self._patience_ms())
        if is_gap(reply) and (self._snapshot or self._settings.on_position_lost == "snapshot"):
            yield self._after_gap(reply)
        elif self._snapshot:
            self._course.seen(reply.operation_time)
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
            yield self._with_rows(reply, place, read)
        else:
            if place and read and read.last:  # no document passed the pipeline
                self._course.goes_on(replace(self._course.running, last=read.last))
            yield from self._without_rows(reply)
        if place and (notices := self._course.ends(place.at, read)):
            yield self._noted(replace(reply, events=(), notices=notices, size=0))

    def _chunk(self, reply: Batch) -> tuple[ChunkPlace | None, Read | None]:
        """Read a chunk for this reply; returns its place and its documents, None where there is none."""
        place = self._place(reply)
        read = self._documents_at(place.at, busy=bool(reply.events)) if place and self._course.take_in_hand() else None
        self._wait_ms = SOON_MS if read is None else AT_ONCE_MS
        if place and read and read.at > place.at:
            self._later = LaterChunk(read, self._course.namespace)
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
        reason = "paused" if self._course.running.state == "paused" else "the stream is behind" if reply.more else ""
        if reason:
            self._observer.snapshot_waits(reason)
            return None
        place = place_in(reply, self._delivered, self._before, looked_up=self._settings.full_document == "updateLookup")
        if place is None:
            self._observer.snapshot_waits("changes go first")
        return place

    def _documents_at(self, at: Ticks, *, busy: bool) -> Read | None:
        """Read the next documents of the collection in hand; None if they cannot be read now."""
        begun = time.monotonic()
        if self._pace.wait_seconds(begun) > 0:
            return None
        try:
            read = self._course.read(at, self._pace.limit())
        except Unreadable as error:
            self._observer.snapshot_waits(str(error))
            return None
        if read is None:
            return None
        if not read.documents:
            self._observer.snapshot_waits("the next documents are left out")
        now = time.monotonic()
        self._pace.read(len(read.documents), sum(map(len, read.documents)), now - begun, now, busy=busy, seen=read.seen)
        return read

    def _with_rows(self, reply: Batch, place: ChunkPlace, read: Read) -> Batch:
        """Put a chunk between the reply's events. While events come, one transaction is committed after the other, so that they
        gather meanwhile and none of them waits for two."""
        snapshot, documents, namespace = self._course.running, read.documents, self._course.namespace
        events, behind = reply.events[: place.events], reply.events[place.events :]
        self._course.goes_on(advanced(snapshot, read, len(documents)))
        return replace(
            reply,
            events=[*events, *row_events(documents, snapshot, namespace, place.at), *behind],
            more=not reply.events,
            snapshot=snapshot,
            rows=len(documents),
            behind=len(behind),
            rows_token=reply.position_after(place.events) if events else self._token if reply.events else reply.token,
            snapshot_at=lambda rows: advanced(snapshot, read, rows),
            superseded=superseded_rows(documents, events, namespace),
        )

    def _without_rows(self, reply: Batch) -> Iterator[Batch]:
        """Yield the reply, cut after each rename, so that its transaction notes what has to be read again."""
        done = 0
        for number, event in enumerate(reply.events, 1):
            if operation_of(event) == b"rename" and self._course.rename(event):
                events, token = reply.events[done:number], reply.position_after(number)
                yield self._noted(replace(reply, events=events, token=token, more=True, ended=False, size=0))
                done = number
        yield self._noted(replace(reply, events=reply.events[done:]))

    def _after_gap(self, reply: Batch) -> Batch:
        """End the stream after a gap; what begins then, begins at the opening."""
        notices = [*reply.notices, *self._course.abort("changes are missing")]
        return self._noted(replace(reply, notices=notices, ended=True, more=False))

    def _noted(self, batch: Batch) -> Batch:
        return replace(batch, snapshot=self._snapshot)

    @property
    def _snapshot(self) -> Snapshot | None:
        return self._course.snapshot


def is_gap(batch: Batch) -> bool:
    """Return True if changes are missing before the batch."""
    return any(notice.operation == "gap" for notice in batch.notices)
