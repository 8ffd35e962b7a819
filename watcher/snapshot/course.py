"""Course of a snapshot: how it begins, which collection is in hand and how far, what a rename brings back, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from bson.raw_bson import RawBSONDocument

from watcher.bson_elements import id_document
from watcher.config import Settings
from watcher.model import Notice, Position, Snapshot, Ticks
from watcher.snapshot import plan
from watcher.snapshot.ports import Documents, Read, Unanswerable
from watcher.snapshot.rows import namespace_of
from watcher.snapshot.scan import Scan


class Course:
    """The snapshot that is under way, if there is one, as the position says it, and what belongs to it besides."""

    def __init__(self, documents: Documents, settings: Settings) -> None:
        self.snapshot: Snapshot | None = None
        self._documents = documents
        self._scan = Scan(documents)
        self._settings = settings
        self._scope = settings.scope
        self._failure = ""
        """Reason for which the snapshot cannot come to its end."""
        self._none_left: Ticks | None = None
        """Time at which no collection was left to be read; forgotten with each rename, which may bring one."""

    @property
    def running(self) -> Snapshot:
        """The snapshot, where it is known that there is one."""
        if self.snapshot is None:
            raise RuntimeError("no snapshot is under way")
        return self.snapshot

    @property
    def namespace(self) -> bytes:
        """The namespace of the collection in hand, as change events have it."""
        return namespace_of(*self._scope.place_of(self.running.collection))

    def open(self, position: Position, *, is_gap: bool, sequence: int) -> list[Notice]:
        """Go on with the position's snapshot; a first start and a gap may begin one. Returns the messages about it, the first of
        which follows `sequence`."""
        self._failure, self._none_left = "", None
        self.snapshot = plan.resumed(position.snapshot, self._scope.watches)
        notices = list[Notice]()
        if is_gap:
            notices += self.abort("changes are missing")
        elif position.token is None and self._settings.snapshot_mode == "initial":
            self.snapshot = self._new("initial")
        if self.is_under_way and not self.running.started_sequence:
            self.snapshot, notice = plan.announced(self.running, sequence + len(notices) + 1)
            notices.append(notice)
        return notices

    @property
    def is_under_way(self) -> bool:
        """True if there is a snapshot that has not ended."""
        return self.snapshot is not None and not self.snapshot.is_over

    def counts(self) -> Mapping[str, int]:
        """Return about how many documents each of the chosen collections has. Errors: as `Documents.counts`."""
        chosen = self.running.collections
        return self._documents.counts(lambda name: self._scope.chooses(chosen, name))

    def forget_if_over(self) -> None:
        """Forget a snapshot whose end the position has."""
        if self.snapshot and self.snapshot.is_over:
            self.snapshot = None

    def seen(self, time: Ticks) -> None:
        """Note an operation time of MongoDB's."""
        self.snapshot = replace(self.running, seen=max(self.running.seen, time))

    def take_in_hand(self) -> bool:
        """Take the next collection in hand, unless there is one; returns False if none is left."""
        if not self.running.collection:
            self._take_next()
        return bool(self.running.collection)

    def read(self, at: Ticks, limit: int) -> Read | None:
        """Read the next documents of the collection in hand; None if it can never be read to its end. Errors: Unreadable."""
        snapshot = self.running
        try:
            return self._scan.read(snapshot.collection, snapshot.last, at, limit, plan.query_of(snapshot, self._scope))
        except Unanswerable as error:
            self._failure = str(error)
            return None

    def goes_on(self, snapshot: Snapshot) -> None:
        """Note how far the snapshot is."""
        self.snapshot = snapshot

    def rename(self, event: bytes) -> bool:
        """Note a rename; returns True if a collection has to be read again."""
        target = RawBSONDocument(event)["to"]
        before = self.running
        if self._scope.includes(target["db"], target["coll"]):
            name = self._scope.name_of(target["db"], target["coll"])
            self.snapshot = plan.renamed_onto(before, name, self._scope)
            self._scan.forget(name)
            self._none_left = None
        return self.snapshot != before

    def ends(self, at: Ticks, read: Read | None) -> list[Notice]:
        """Put away the collection in hand if it is read to its end, and the snapshot if nothing is left. Returns the messages about
        it.

        The snapshot is complete only once the stream has come to the time at which no collection was left: a rename that is still
        to be delivered may have given a collection a name that was done before.
        """
        notices = list[Notice]()
        if self._failure:
            self.snapshot, notice = plan.ended(self.running, "aborted", self._failure)
            self._failure = ""
            return [notice]
        if read and read.complete:
            self.snapshot, notice = plan.collection_completed(self.running, self._scope)
            notices.append(notice)
            self._take_next()
        if self._none_left and self._none_left <= at:
            self.snapshot, notice = plan.ended(self.running, "completed")
            notices.append(notice)
        return notices

    def abort(self, reason: str) -> list[Notice]:
        """Abort the snapshot because of a gap, and begin another one if the settings want it. Returns the messages about the
        end."""
        aborted, notices = self.snapshot, list[Notice]()
        if aborted:
            self.snapshot, notice = plan.ended(aborted, "aborted", reason)
            notices = [notice] if aborted.started_sequence else []  # of another one nobody has heard
        if self._settings.on_position_lost == "snapshot":
            self.snapshot = self._new("position lost", "replace")
        elif aborted and aborted.reason == "initial" and self._settings.snapshot_mode == "initial":
            self.snapshot = self._new("initial")
        return notices

    def _take_next(self) -> None:
        """Take the next collection in hand, or note the time at which there was none."""
        if self._none_left is None:
            following, time = self._scan.choose(lambda names: plan.next_collection(self.running, names, self._scope))
            self.snapshot, self._none_left = following or self.snapshot, None if following else time

    def _new(self, reason: str, operation: Literal["insert", "replace"] = "insert") -> Snapshot:
        """Begin a snapshot by the settings. A bad query is found here, and not when its collection's turn comes."""
        self._documents.try_out(self._settings.snapshot_filter)
        return plan.begun(reason, operation, self._settings.snapshot_collections, self._settings.snapshot_filter)


def advanced(snapshot: Snapshot, read: Read, rows: int) -> Snapshot:
    """Return the snapshot after the first `rows` of the documents that were read."""
    is_all = rows == len(read.documents) and read.last
    return replace(
        snapshot,
        last=read.last if is_all else id_document(read.documents[rows - 1]),
        documents=snapshot.documents + rows,
        in_collection=snapshot.in_collection + rows,
    )
