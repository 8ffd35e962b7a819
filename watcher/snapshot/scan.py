"""Reads collections by their names, and notices when a name has come to stand for something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from watcher.model import Ticks
from watcher.snapshot.ports import Documents, Read, Unreadable

T = TypeVar("T")


class Scan:
    """Documents whose end is an end.

    MongoDB shows a collection that has just been renamed as empty, even as of the time before. If that were taken for its end, the
    rest of its documents would never be read: the event of the rename, which puts them on the list again, is still to come. So an
    end counts only if the name stood for the same collection before and after the reading, or if all events up to the change are
    delivered. A name may stand for nothing before and after, and for a collection between: the rename that brought it makes us
    forget what we knew."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._names: Sequence[str] = ()
        self._time: Ticks = (0, 0)
        self._known: dict[str, tuple[object, Ticks]] = {}
        """Identity of collections by name, None for a name without a collection, and the time from which on it is known."""

    def choose(self, choice: Callable[[Sequence[str]], T | None]) -> tuple[T | None, Ticks]:
        """Return what `choice` makes of the names of the collections that can be read, and the operation time of these. Only if it
        makes nothing of those known before, they are read anew: of hundreds of databases, that takes its time."""
        chosen = choice(self._names) if self._names else None
        if chosen is None:
            identities, self._time = self._documents.collections()
            self._names = [*identities]
            self._known = {name: (identity, self._time) for name, identity in identities.items()}
            chosen = choice(self._names)
        return chosen, self._time

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        """Read as `Documents.read` does. Errors: those; Unreadable also if the collection has just been dropped or renamed."""
        if collection not in self._known:
            self._look_at(collection)
        read = self._documents.read(collection, after, at, limit, query)
        if read.complete and not self._is_complete(collection, read.at):
            raise Unreadable(f"{collection} has just been dropped or renamed")
        return read

    def forget(self, collection: str) -> None:
        """Forget what the name stood for, because another collection has been renamed onto it, and which names there are."""
        self._known.pop(collection, None)
        self._names = ()

    def _is_complete(self, collection: str, at: Ticks) -> bool:
        before = self._known[collection][0]
        identity, since = self._look_at(collection)
        return at >= since or (identity == before and identity is not None)

    def _look_at(self, collection: str) -> tuple[object, Ticks]:
        identities, time = self._documents.collections(collection)
        identity = identities.get(collection)
        if self._known.get(collection, (self, time))[0] != identity:
            self._known[collection] = (identity, time)
        return self._known[collection]
