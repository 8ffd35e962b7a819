"""The documents of the stream's own MongoDB, as the interleaver reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bson import Timestamp

from watcher.config import Settings
from watcher.model import Ticks
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionKind, CollectionReader
from watcher.mongodb.errors import NotAtThisTime
from watcher.mongodb.snapshot_queries import parsed, try_out
from watcher.snapshot.pace import MOST_BYTES
from watcher.snapshot.ports import Read, Unreadable

READ_MS = 5000
"""Longest time for a chunk, in milliseconds of the server's."""

UNREADABLE = frozenset({CollectionKind.VIEW, CollectionKind.TIME_SERIES})

logger = logging.getLogger("watcher")


class StreamDocuments:
    """`Documents` of one database, read by the session of its change stream: so at the same member, and with the same rights."""

    def __init__(self, session: CommandSession, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._reader = CollectionReader(session, settings.database, settings.exclude_fields)
        self._left_out: set[str] = set()

    def collections(self) -> tuple[Mapping[str, object], Ticks]:
        """List the watched collections. Views and time series are left out, and the log says so once of each."""
        watched = [found for found in self._reader.collections() if self._settings.watches(found.name)]
        for found in watched:
            if found.kind in UNREADABLE and found.name not in self._left_out:
                self._left_out.add(found.name)
                logger.info("not copied: MongoDB has no change stream for it", extra={"collection": found.name, "kind": found.kind})
        time = self._session.operation_time or Timestamp(0, 0)
        return {found.name: found.uuid for found in watched if found.kind not in UNREADABLE}, (time.time, time.inc)

    def counts(self, chosen: Callable[[str], bool]) -> Mapping[str, int]:
        """Count as `Documents.counts` says, without reading a document."""
        return {name: self._reader.count(name) for name in self.collections()[0] if chosen(name)}

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        """Read as `Documents.read` says."""
        try:
            chunk = self._reader.chunk(
                collection,
                after or None,
                limit=limit,
                at=Timestamp(*at),
                max_bytes=MOST_BYTES,
                query=parsed(query, collection),
                max_time_ms=READ_MS,
            )
        except NotAtThisTime as error:
            raise Unreadable(str(error)) from error
        return Read(chunk.documents, chunk.complete)

    def try_out(self, queries: Mapping[str, str]) -> None:
        """Try as `Documents.try_out` says."""
        try_out(self._reader, queries)
