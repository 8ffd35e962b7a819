"""The documents of the stream's own MongoDB, as the interleaver reads them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic

from bson import Timestamp

from watcher.config import Settings
from watcher.config.mongodb.fields import fields_in
from watcher.config.mongodb.scope import ALL
from watcher.model import Ticks
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionInfo, CollectionKind, CollectionReader
from watcher.mongodb.databases import databases_of
from watcher.mongodb.errors import NotAtThisTime, QueryRefused
from watcher.mongodb.snapshot_queries import parsed, try_query
from watcher.snapshot.pace import MOST_BYTES, Reach
from watcher.snapshot.ports import Read, Unanswerable, Unreadable

READ_MS = 5000
"""Longest time for a chunk, in milliseconds of the server's."""

TOO_LONG = "MaxTimeMSExpired"
"""Code of the error about a chunk that has taken READ_MS."""

WHOLE = frozenset({"updateLookup", "required"})
"""Values of `full_document` with which every update comes with its whole document, as long as there is one."""

NO_CHANGES = "not copied: MongoDB has no change stream for it"
NO_PAST = (
    "not copied: MongoDB does not show a capped collection's past, and without whole documents in its updates (full_document) the "
    "order of documents and changes would be unknown"
)

logger = logging.getLogger("watcher")


class StreamDocuments:
    """`Documents` of a scope, read by the session of its change stream: so at the same member, and with the same rights."""

    def __init__(self, session: CommandSession, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._scope = settings.scope
        self._readers: dict[str, CollectionReader] = {}
        self._kinds: dict[str, CollectionKind] = {}
        self._told: set[str] = set()
        self._reaches = defaultdict[str, Reach](Reach)

    def collections(self, beside: str = "") -> tuple[Mapping[str, object], Ticks]:
        """List the watched collections. Those that cannot be copied are left out, and the log says so once of each."""
        databases = [self._scope.place_of(beside)[0]] if beside else databases_of(self._session, self._scope)
        watched, listed = dict(self._watched(databases)), frozenset(databases)
        others = {name: kind for name, kind in self._kinds.items() if self._scope.place_of(name)[0] not in listed}
        self._kinds = {**others, **{name: found.kind for name, found in watched.items()}}
        for name, found in watched.items():
            if (reason := self._reason_against(found.kind)) and name not in self._told:
                self._told.add(name)
                logger.info(reason, extra={"collection": name, "kind": found.kind})
        time = self._session.operation_time or Timestamp(0, 0)
        copied = {name: found.uuid for name, found in watched.items() if not self._reason_against(found.kind)}
        return copied, (time.time, time.inc)

    def counts(self, chosen: Callable[[str], bool]) -> Mapping[str, int]:
        """Count as `Documents.counts` says, without reading a document."""
        return {name: self._count(name) for name in self.collections()[0] if chosen(name)}

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        """Read as `Documents.read` says. A capped collection has no past that could be read."""
        kind = self._kinds.get(collection, CollectionKind.ORDINARY)
        if self._reason_against(kind):
            return Read((), complete=True, at=at)
        has_past, time = kind is not CollectionKind.CAPPED, Timestamp(*at)
        reach, begun = self._reaches[collection], monotonic()
        try:
            database, name = self._scope.place_of(collection)
            chunk = self._reader(database).chunk(
                name,
                after or None,
                limit=limit,
                at=time if has_past else None,
                since=time,
                max_bytes=MOST_BYTES,
                query=parsed(query, collection),
                max_time_ms=READ_MS,
                within=reach.documents,
                is_clustered=kind is CollectionKind.CLUSTERED,
            )
        except NotAtThisTime as error:
            if error.code == TOO_LONG:
                reach.too_long()
            self.collections(collection)  # the name may stand for a collection of another kind by now
            raise Unreadable(str(error)) from error
        except QueryRefused as error:
            or_pipeline = ", or the pipeline," if self._settings.pipeline else ""
            raise Unanswerable(f"the filter of {collection}{or_pipeline} fails on a document: {error}") from error
        reach.read(monotonic() - begun)
        reached = at if has_past else (chunk.operation_time.time, chunk.operation_time.inc)
        return Read(chunk.documents, chunk.complete, reached, chunk.last_id or b"", chunk.seen)

    def _reason_against(self, kind: CollectionKind) -> str:
        """Return the reason why collections of this kind are not copied; empty if they are."""
        if kind is CollectionKind.CAPPED:
            return "" if self._settings.full_document in WHOLE else NO_PAST
        return NO_CHANGES if kind in (CollectionKind.VIEW, CollectionKind.TIME_SERIES) else ""

    def try_out(self, queries: Mapping[str, str]) -> None:
        """Try as `Documents.try_out` says. Of a query for a collection in every database, one database tells."""
        for name, query in queries.items():
            database, collection = self._scope.pattern_of(name)
            try_query(self._reader(self._any_database if database == ALL else database), collection, query, name)

    @property
    def _any_database(self) -> str:
        return next(iter(databases_of(self._session, self._scope)), "admin")

    def _watched(self, databases: Iterable[str]) -> Iterator[tuple[str, CollectionInfo]]:
        for database in databases:
            for found in self._reader(database).collections():
                if self._scope.includes(database, found.name):
                    yield self._scope.name_of(database, found.name), found

    def _count(self, name: str) -> int:
        database, collection = self._scope.place_of(name)
        return self._reader(database).count(collection)

    def _reader(self, database: str) -> CollectionReader:
        if database not in self._readers:
            fields = fields_in(database, self._settings.exclude_fields, self._scope)
            self._readers[database] = CollectionReader(self._session, database, fields, self._settings.pipeline)
        return self._readers[database]
