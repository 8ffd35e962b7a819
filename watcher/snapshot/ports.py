"""Interfaces that the interleaver needs: the stream that it wraps, the documents, and an observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from watcher.model import Batch, Position, Ticks


class Unreadable(Exception):
    """The documents cannot be read at this time; a little later they can. The text says why."""


class Unanswerable(Exception):
    """The query fails on a document. The text says why."""


class Stream(Protocol):
    """A change stream whose reader says how long it waits for the first event."""

    def open(self, position: Position) -> Batch:
        """Open after `position`; returns a batch without events that holds the position of the stream."""

    def next(self, wait_ms: int | None = None) -> Batch:
        """Read the next batch, after at most `wait_ms` milliseconds if there is none; by default after a second."""


@dataclass(frozen=True, slots=True)
class Read:
    """Documents of one collection, in the order of their `_id`; `complete` if there are no more behind them.

    They are as of `at`. If that is later than the time asked for, each may be as of any time between the two. `last` is the BSON
    document `{_id: …}` of the last one that was read, which may be none of `documents`; empty if there was none. `seen` is the
    number of documents that were read for it, if a pipeline has dropped some.
    """

    documents: Sequence[bytes]
    complete: bool
    at: Ticks
    last: bytes = b""
    seen: int = 0


class Documents(Protocol):
    """The documents that are there already."""

    def collections(self, beside: str = "") -> tuple[Mapping[str, object], Ticks]:
        """Read the names of the collections that can be read (no views, no time series), each with its identity, which moves with
        it when it is renamed; and the operation time of that. With `beside`, at least those in the database of that collection."""

    def counts(self, chosen: Callable[[str], bool]) -> Mapping[str, int]:
        """Return about how many documents each of the chosen collections has. Errors: Outage, NotPermitted, ConfigurationError."""

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        """Read at most `limit` documents after the BSON document `{_id: …}` (none: from the beginning), as of `at`, or later if the
        collection's past cannot be read. `query` is a further condition in MongoDB Extended JSON.

        A name that stands for no collection any more has no documents, even as of a time when it had.

        Errors: Unreadable if that cannot be read at this time; Unanswerable; Outage, NotPermitted, ConfigurationError.
        """

    def try_out(self, queries: Mapping[str, str]) -> None:
        """Try the queries, by collection, without reading anything. Errors: ConfigurationError; Outage, NotPermitted."""


class SnapshotObserver(Protocol):
    """An object that is told of a snapshot what is in no message."""

    def snapshot_counted(self, documents: Mapping[str, int]) -> None:
        """The collections to be copied have about so many documents."""

    def snapshot_waits(self, reason: str) -> None:
        """No chunk was read at this reply."""
