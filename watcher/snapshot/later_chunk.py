"""Chunk of a collection whose past MongoDB does not show: it is read as it is now, and waits until the stream has come so far.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watcher.bson_elements import id_document
from watcher.model import Batch
from watcher.snapshot.place import ChunkPlace, is_orderly, place_later
from watcher.snapshot.ports import Read
from watcher.snapshot.rows import document_of, identity


class LaterChunk:
    """Documents that were read later than the stream stands. Whatever the stream tells of one meanwhile is newer, or the same: such
    a document is left out, which is safe only if the stream tells it whole."""

    def __init__(self, read: Read, namespace: bytes) -> None:
        """`namespace` is that of the collection, as `namespace_of` writes it."""
        self._read = read
        self._namespace = namespace
        self._told = set[object]()
        """Identities of the documents that events were about."""
        self.is_spoilt = False
        """A reply came that the documents cannot be compared with, so they have to be read again."""

    def place_in(self, reply: Batch) -> ChunkPlace | None:
        """Find the place in the stream's next reply; None if the stream has to come further."""
        if not is_orderly(reply):
            self.is_spoilt = True
            return None
        place = place_later(reply, self._read.at)
        self._note(reply.events[: place.events] if place else reply.events)
        return place

    @property
    def rest(self) -> Read:
        """The documents that the stream has told nothing of."""
        rest = [document for document in self._read.documents if identity(id_document(document)) not in self._told]
        return replace(self._read, documents=rest)

    def _note(self, events: Sequence[bytes]) -> None:
        self._told.update(document_of(event, self._namespace) for event in events if self._namespace in event)
