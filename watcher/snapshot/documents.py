"""The documents of the stream's own MongoDB, as the interleaver reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bson import Timestamp

from watcher.config import Settings
from watcher.model import Ticks
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionKind, CollectionReader
from watcher.mongodb.errors import NotAtThisTime, QueryRefused
from watcher.mongodb.snapshot_queries import parsed, try_out
from watcher.snapshot.pace import MOST_BYTES
from watcher.snapshot.ports import Read, Unanswerable, Unreadable

READ_MS = 5000
"""Longest time for a chunk, in milliseconds of the server's."""

WHOLE = frozenset({"updateLookup", "required"})
"""Values of `full_document` with which every update comes with its whole document, as long as there is one."""

NO_CHANGES = "not copied: MongoDB has no change stream for it"
NO_PAST = (
    "not copied: MongoDB does not show a capped collection's past, and without whole documents in its updates (full_document) the "
    "order of documents and changes would be unknown"
)

logger = logging.getLogger("watcher")


class StreamDocuments:
    """`Documents` of one database, read by the session of its change stream: so at the same member, and with the same rights."""

    def __init__(self, session: CommandSession, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._reader = CollectionReader(session, settings.database, settings.exclude_fields, settings.pipeline)
        self._kinds: dict[str, CollectionKind] = {}
        self._told: set[str] = set()

    def collections(self) -> tuple[Mapping[str, object], Ticks]:
        """List the watched collections. Those that cannot be copied are left out, and the log says so once of each."""
        watched = [found for found in self._reader.collections() if self._settings.watches(found.name)]
        self._kinds = {found.name: found.kind for found in watched}
        for found in watched:
            if (reason := self._reason_against(found.kind)) and found.name not in self._told:
                self._told.add(found.name)
                logger.info(reason, extra={"collection": found.name, "kind": found.kind})
        time = self._session.operation_time or Timestamp(0, 0)
        return {found.name: found.uuid for found in watched if not self._reason_against(found.kind)}, (time.time, time.inc)

    def counts(self, chosen: Callable[[str], bool]) -> Mapping[str, int]:
        """Count as `Documents.counts` says, without reading a document."""
        return {name: self._reader.count(name) for name in self.collections()[0] if chosen(name)}

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        """Read as `Documents.read` says. A capped collection has no past that could be read."""
        kind = self._kinds.get(collection, CollectionKind.ORDINARY)
        if self._reason_against(kind):
            return Read((), complete=True, at=at)
        has_past, time = kind is not CollectionKind.CAPPED, Timestamp(*at)
        try:
            chunk = self._reader.chunk(
                collection,
                after or None,
                limit=limit,
                at=time if has_past else None,
                since=time,
                max_bytes=MOST_BYTES,
                query=parsed(query, collection),
                max_time_ms=READ_MS,
            )
        except NotAtThisTime as error:
            self.collections()  # the name may stand for a collection of another kind by now
            raise Unreadable(str(error)) from error
        except QueryRefused as error:
            or_pipeline = ", or the pipeline," if self._settings.pipeline else ""
            raise Unanswerable(f"the filter of {collection}{or_pipeline} fails on a document: {error}") from error
        reached = chunk.operation_time
        return Read(chunk.documents, chunk.complete, at if has_past else (reached.time, reached.inc), chunk.last_id or b"")

    def _reason_against(self, kind: CollectionKind) -> str:
        """Return the reason why collections of this kind are not copied; empty if they are."""
        if kind is CollectionKind.CAPPED:
            return "" if self._settings.full_document in WHOLE else NO_PAST
        return NO_CHANGES if kind in (CollectionKind.VIEW, CollectionKind.TIME_SERIES) else ""

    def try_out(self, queries: Mapping[str, str]) -> None:
        """Try as `Documents.try_out` says."""
        try_out(self._reader, queries)
