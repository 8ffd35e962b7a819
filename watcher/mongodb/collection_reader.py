"""Reads the documents of a database's collections as raw BSON, as they are now or as they were at a time in the past.

A collection is read in chunks, in the order of `_id`. Each chunk is a request of its own that begins where the one before ended, so
no cursor has to live for hours, and each may be read as of a time of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument

from watcher.bson_elements import id_document
from watcher.config.mongodb.collections import SYSTEM
from watcher.mongodb.client import CommandSession
from watcher.mongodb.cursor_reply import take_apart
from watcher.mongodb.errors import translated, understood
from watcher.mongodb.field_exclusion import fields_of
from watcher.mongodb.id_queries import among, between
from watcher.mongodb.user_stages import document_stages

BY_ID = {"_id": 1}

BSON = bytes
"""A document, or `{"_id": …}` for the `_id` of one: no type of `_id` is lost, whatever a decoder would make of it."""


class CollectionKind(StrEnum):
    """Kinds of collections, as far as they are read differently. Views and time series have no change stream."""

    ORDINARY = "ordinary"
    CAPPED = "capped"
    CLUSTERED = "clustered"
    VIEW = "view"
    TIME_SERIES = "timeseries"


class CollectionInfo(NamedTuple):
    """A collection of the database. `uuid` tells it from earlier ones of its name; a view and a time series have none."""

    name: str
    kind: CollectionKind
    uuid: UUID | None


class Chunk(NamedTuple):
    """Documents that follow each other in the order of `_id`. `complete`: the collection has no more.

    `operation_time` is that of the reply. What was read without a time is what a majority had committed by then. `last_id` is the
    `_id` after which the next chunk begins, also if the pipeline lets no document pass; None if there was none to read. `seen` is
    the number of documents up to there, those included that the pipeline drops, and in a piece those that the query passes over.
    """

    documents: Sequence[BSON]
    complete: bool
    operation_time: Timestamp
    last_id: BSON | None
    seen: int


class Piece(NamedTuple):
    """Documents among which a search goes on: those behind `after` and up to `end`, which `beyond` follows. `_id`s."""

    after: BSON
    end: BSON
    beyond: BSON | None


class CollectionReader:
    """The collections of one database. Commands take every name that MongoDB does, such as `a..b`; pymongo's `Collection` does not.

    All methods raise Outage, NotPermitted, ConfigurationError or UnsupportedServer.
    """

    def __init__(
        self, session: CommandSession, database: str, exclude_fields: Iterable[str] = (), pipeline: tuple[str, ...] = ()
    ) -> None:
        """Documents come without `exclude_fields`, and as `pipeline` makes them, as in the change stream. The caller closes the
        session."""
        self._session = session
        self._database = database
        self._exclude_fields = tuple(exclude_fields)
        self._pipeline = pipeline
        self._pieces: dict[str, Piece] = {}
        """Of each collection, the piece that is not read to its end."""

    def collections(self) -> list[CollectionInfo]:
        """Return the database's collections by name, without MongoDB's own."""
        return sorted(info for info in self._list({}) if not info.name.startswith(SYSTEM))

    def count(self, collection: str) -> int:
        """Return about how many documents the collection has, which MongoDB knows without counting."""
        with translated(), understood():
            return int(self._session.command(self._database, {"count": collection})["n"])

    def chunk(
        self,
        collection: str,
        after: BSON | None = None,
        *,
        limit: int,
        at: Timestamp | None = None,
        since: Timestamp | None = None,
        max_bytes: float = math.inf,
        query: Mapping[str, Any] | None = None,
        max_time_ms: int = 0,
        within: int | None = None,
        is_clustered: bool | None = None,
    ) -> Chunk:
        """Read the next documents after the `_id` `after`, from the first one on if it is None, whatever types the `_id`s have.

        At most `limit` documents come, of at most `max_bytes` together, but at least one; and never more than a reply of MongoDB
        holds, 16 MB. They match `query`. A pipeline may let fewer of them pass, or none. `max_time_ms` bounds the server's time; 0
        does not. `within` is the number of documents among which MongoDB looks for them, which may be all of the wrong kind.
        `is_clustered` says if the collection is, where that is known; if it is None, MongoDB is asked. A wrong answer costs time,
        or a document whose `_id` is MaxKey.

        `at` is the cluster time as of which to read, with read concern `snapshot`; without it the read concern is `majority`, and
        the documents are as of `since` or later. No collection of the name at that time is an empty one.

        Errors, besides those of all methods: NotAtThisTime; QueryRefused if a document makes the query or the pipeline fail.
        """
        if is_clustered is None:
            is_clustered = bool(after or (query and within)) and self._is_clustered(collection)
        command = {
            "find": collection,
            # Collation is the collection's own, by which its `_id`s are unique; another one could not use the index.
            "sort": BY_ID,
            "hint": BY_ID,
            **_bounds(after, is_clustered=is_clustered),
            "maxTimeMS": max_time_ms,
            "readConcern": self._read_concern(at, since),
        }
        fields = BY_ID if self._pipeline else dict.fromkeys(fields_of(self._exclude_fields, collection), 0)
        limit = min(limit, within or limit)
        with translated(at_time=at is not None or since is not None, query=query is not None or bool(self._pipeline)):
            end, beyond = self._piece(command, after, within) if query and within else (None, None)
            wanted = {"filter": between(after, end, query), "projection": fields, "limit": limit, "batchSize": limit}
            documents, cursor_id, time = self._first_reply(
                {**command, **_bounds(after, beyond, is_clustered=is_clustered), **wanted}
            )
            is_all = not cursor_id and len(documents) < limit
            complete, last = is_all and end is None, end if is_all and end else _last_id(documents)
            seen = within if within and is_all and end else len(documents)
            if self._pipeline and documents:
                ids = [id_document(each) for each in documents]
                read = {"cursor": {"batchSize": limit}, "maxTimeMS": max_time_ms, "readConcern": command["readConcern"]}
                stages = [among(ids), {"$sort": BY_ID}, *self._stages(collection, at or time)]
                documents, cursor_id, time = self._first_reply({"aggregate": collection, "pipeline": stages, **read})
        taken = _fitting(documents, max_bytes)
        if cursor_id or len(taken) < len(documents):
            complete, last, seen = False, _last_id(taken), len(taken)
        if end and last and last != end:
            self._pieces[collection] = Piece(last, end, beyond)
        return Chunk(taken, complete, time, last, seen)

    def plan(self, collection: str, query: Mapping[str, Any]) -> None:
        """Let MongoDB plan how it would find the documents that match a query; it reads none.

        Errors, besides those of all methods: QueryRefused.
        """
        find = {"find": collection, "filter": query, "sort": BY_ID, "hint": BY_ID}
        with translated(query=True):
            self._session.command(self._database, {"explain": find, "verbosity": "queryPlanner"})

    def aggregate(self, collection: str, stages: Sequence[Mapping[str, Any]], batch_size: int) -> Iterator[Sequence[BSON]]:
        """Run the stages on what a majority has committed, and yield the documents of one reply after another.

        Errors, besides those of all methods: QueryRefused if a document makes the pipeline fail.
        """
        pipeline = [*stages, *self._stages(collection, self._session.operation_time or Timestamp(0, 1))]
        cursor = {"batchSize": batch_size}
        command = {"aggregate": collection, "pipeline": pipeline, "cursor": cursor, "readConcern": self._read_concern()}
        return self._replies(command, query=bool(self._pipeline))

    def by_ids(self, collection: str, ids: Iterable[BSON], batch_size: int) -> Iterator[Sequence[BSON]]:
        """Read the documents with these `_id`s, as `aggregate` does, in any order."""
        return self.aggregate(collection, [among(ids)], batch_size)

    def _stages(self, collection: str, time: Timestamp) -> list[Mapping[str, Any]]:
        """Make the stages that documents go through as changes do, as of `time`."""
        unset = fields_of(self._exclude_fields, collection)
        users = document_stages(self._pipeline, self._database, collection, time) if self._pipeline else []
        return [*([{"$unset": unset}] if unset else []), *users]

    def _list(self, query: Mapping[str, Any]) -> Iterator[CollectionInfo]:
        replies = self._replies({"listCollections": 1, "cursor": {}, "filter": query})
        return (_info(RawBSONDocument(raw)) for reply in replies for raw in reply)

    def _is_clustered(self, collection: str) -> bool:
        return any(info.kind is CollectionKind.CLUSTERED for info in self._list({"name": collection}))

    def _piece(self, command: Mapping[str, Any], after: BSON | None, number: int) -> tuple[BSON | None, BSON | None]:
        """Return the last `_id` of the piece in which the documents after `after` are, and the one behind it; None if there is
        none. A piece is looked for once. It is forgotten by whoever does not come to its end, so that the next may be smaller."""
        known = self._pieces.pop(command["find"], None)
        return (known.end, known.beyond) if known and known.after == after else self._ids_after(command, after, number)

    def _ids_after(self, command: Mapping[str, Any], after: BSON | None, number: int) -> tuple[BSON | None, BSON | None]:
        """Return the `_id` of the document that is so many behind `after`, and of the next one; None if there is none."""
        two = {"filter": between(after), "projection": BY_ID, "skip": number - 1, "limit": 2, "batchSize": 2}
        documents, _, _ = self._ask({**command, **two})
        end, beyond = [*map(id_document, documents), None, None][:2]
        return end, beyond

    def _read_concern(self, at: Timestamp | None = None, since: Timestamp | None = None) -> Mapping[str, Any]:
        """Read concern: what a majority has not committed yet is in no change stream. A secondary first catches up with what the
        session has seen."""
        if at is not None:
            return {"level": "snapshot", "atClusterTime": at}
        seen = max(filter(None, (self._session.operation_time, since)), default=None)
        return {"level": "majority", **({"afterClusterTime": seen} if seen else {})}

    def _replies(self, command: Mapping[str, Any], *, query: bool = False) -> Iterator[Sequence[BSON]]:
        with translated(query=query):
            documents, cursor_id, _ = self._ask(command)
            yield documents
            while cursor_id:
                collection = command.get("aggregate", "$cmd.listCollections")
                documents, cursor_id, _ = self._ask({"getMore": cursor_id, "collection": collection})
                yield documents

    def _first_reply(self, command: Mapping[str, Any]) -> tuple[Sequence[BSON], Int64, Timestamp]:
        """Run a command that makes a cursor, as `_ask`. If its reply is full, what does not fit in it is not read."""
        documents, cursor_id, time = self._ask(command)
        if cursor_id:
            collection = command.get("find") or command["aggregate"]
            self._session.command(self._database, {"killCursors": collection, "cursors": [cursor_id]})
        return documents, cursor_id, time

    def _ask(self, command: Mapping[str, Any]) -> tuple[Sequence[BSON], Int64, Timestamp]:
        """Run a command that makes or reads a cursor; returns the reply's documents, the cursor's id (0: it has ended), and the
        operation time."""
        reply = self._session.command(self._database, command)
        with understood():
            documents, cursor = take_apart(bytes(reply["cursor"].raw))
            return documents, Int64(cursor["id"]), reply["operationTime"]


def _bounds(after: BSON | None, beyond: BSON | None = None, *, is_clustered: bool) -> Mapping[str, Any]:
    """Make the options that let MongoDB begin at `after` in a clustered collection, and end before `beyond`: for `$expr` alone it
    would scan all that lies before and behind. In an index `$expr` is enough, and `min` would miss an `_id` of MaxKey."""
    found = {name: RawBSONDocument(id_) for name, id_ in (("min", after), ("max", beyond)) if id_ is not None}
    return found if is_clustered else {}


def _last_id(documents: Sequence[BSON]) -> BSON | None:
    return id_document(documents[-1]) if documents else None


def _fitting(documents: Sequence[BSON], max_bytes: float) -> Sequence[BSON]:
    """The first documents, as many as have `max_bytes` together, and at least one if there are any."""
    if sum(map(len, documents)) <= max_bytes:
        return documents
    sizes = [*accumulate(map(len, documents))]
    return documents[: max(1, bisect_right(sizes, max_bytes))]


def _info(description: RawBSONDocument) -> CollectionInfo:
    uuid = description["info"].get("uuid")
    return CollectionInfo(description["name"], _kind(description), uuid.as_uuid() if uuid else None)


def _kind(description: RawBSONDocument) -> CollectionKind:
    options = description["options"]
    if description["type"] != "collection":
        return CollectionKind(description["type"])
    if options.get("capped"):
        return CollectionKind.CAPPED
    return CollectionKind.CLUSTERED if "clusteredIndex" in options else CollectionKind.ORDINARY
