"""The values that handlers of snapshots receive: one for each kind of control message about their course."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from watcher.consumer.change import Change
from watcher.consumer.errors import Reject
from watcher.consumer.registration.operations import ANY


@dataclass(frozen=True, slots=True)
class SnapshotStarted:
    """A snapshot begins: documents that are there already come as well, with this id in `Change.snapshot`.

    `operation` is that of the documents. `collections` are the names and globs that were chosen, none for all. `filters` holds the
    query of some collections, as MongoDB Extended JSON.
    """

    database: str
    watcher: str
    sequence: int
    timestamp: datetime
    snapshot: str
    reason: str
    operation: Literal["insert", "replace"]
    collections: tuple[str, ...]
    filters: Mapping[str, str]

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return the beginning that a control message announces. Raises Reject if the message lacks a field."""
        message = change.message
        with _rejecting(change):
            return cls(
                **_head(change),
                **_choice(change),
                reason=message["reason"],
                operation=message["snapshotOperation"],
            )


@dataclass(frozen=True, slots=True)
class SnapshotCompleted:
    """A snapshot has copied a collection, or everything: then `collection` is None.

    `documents` is the number of copies. `filtered` says that a query chose the documents of `collection`. `collections` and
    `filters` are the snapshot's choice once everything is copied, and empty before.

    What the snapshot `covers` is in the source only if a message numbered from `started_sequence` on has told of it. So a copy
    removes what this watcher's messages last touched before.
    """

    database: str
    watcher: str
    sequence: int
    timestamp: datetime
    snapshot: str
    started_sequence: int
    collection: str | None
    documents: int
    filtered: bool
    collections: tuple[str, ...]
    filters: Mapping[str, str]

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return the end that a control message announces. Raises Reject if the message lacks a field."""
        message = change.message
        with _rejecting(change):
            return cls(
                **_head(change),
                **_choice(change),
                started_sequence=message["startedSequence"],
                collection=change.collection,
                documents=message["documents"],
                filtered=change.collection is not None and message["filtered"],
            )

    def covers(self, collection: str, database: str | None = None) -> bool:
        """True if all documents of the collection, which the watcher delivers, have been copied. A whole snapshot also covers
        collections that do not exist any more.

        `database` is for a watcher of several databases. Without it, a whole snapshot covers the collection if it does so in each.
        """
        if self.collection is not None:
            return (collection, database or self.database) == (self.collection, self.database) and not self.filtered
        if self.database == ANY:
            return self._covers_in(database, collection)
        chosen = not self.collections or any(fnmatchcase(collection, pattern) for pattern in self.collections)
        return chosen and collection not in self.filters

    def _covers_in(self, database: str | None, collection: str) -> bool:
        from watcher.config.mongodb.scope import Scope  # here, because other consumers need not load the configuration

        scope = Scope(None, (ANY,))
        patterns = [*map(scope.pattern_of, self.collections)]
        filtered = [*map(scope.pattern_of, self.filters)]
        if database is not None:
            chosen = not patterns or any(pattern.matches(database, collection) for pattern in patterns)
            return chosen and not any(pattern.matches(database, collection) for pattern in filtered)
        everywhere = (pattern.collection for pattern in patterns if pattern.database == ANY)
        chosen = not patterns or any(fnmatchcase(collection, pattern) for pattern in everywhere)
        return chosen and not any(fnmatchcase(collection, pattern.collection) for pattern in filtered)


@dataclass(frozen=True, slots=True)
class SnapshotAborted:
    """A snapshot has ended early, after so many `documents`. Nothing follows from what it has not copied."""

    database: str
    watcher: str
    sequence: int
    timestamp: datetime
    snapshot: str
    started_sequence: int
    documents: int
    reason: str

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return the end that a control message announces. Raises Reject if the message lacks a field."""
        message = change.message
        with _rejecting(change):
            return cls(
                **_head(change),
                started_sequence=message["startedSequence"],
                documents=message["documents"],
                reason=message["reason"],
            )


def _head(change: Change) -> dict[str, Any]:
    """The fields that all of them have."""
    return {
        "database": change.database,
        "watcher": change.watcher,
        "sequence": change.sequence,
        "timestamp": change.timestamp,
        "snapshot": change.message["snapshot"],
    }


def _choice(change: Change) -> dict[str, Any]:
    """The choice of collections and documents; empty if everything is copied."""
    return {"collections": tuple(change.message.get("collections", ())), "filters": change.message.get("filters", {})}


@contextmanager
def _rejecting(change: Change) -> Iterator[None]:
    """Raise Reject instead of the error about a field that is missing or has another type: no further attempt would help."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise Reject(f"a {change.operation} that cannot be read: {error!r}") from error
