"""The collections themselves, as the watcher's messages would show them: same fields, same JSON dialect."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, NamedTuple, Self

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.command_cursor import CommandCursor

from watcher.config import Settings
from watcher.config.fields import split_field
from watcher.errors import Outage
from watcher.messages.bson_json import DIALECTS
from watcher.mongodb.client import connect
from watcher.mongodb.errors import translated
from watcher.verification.keys import possible_ids

CHUNK = 1000
"""Documents in one request."""

CHUNK_BYTES = 16_000_000
"""After so many bytes a chunk is full: as much as a reply of MongoDB holds."""

OUTAGE_SECONDS = 30.0
"""An election takes 12 s by default."""

RETRY_SECONDS = 0.5

EXACT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",
)
"""Decodes an `_id` of any type, so that it can be encoded again."""

Stage = Mapping[str, Any]


class Document(NamedTuple):
    """A document as JSON, and in BSON; `key` is its `_id`, as in the messages' Kafka key."""

    key: bytes
    text: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        """`{"": _id}` in BSON, whatever its type is."""
        return bson.encode({"": RawBSONDocument(self.raw, EXACT)["_id"]}, codec_options=EXACT)


def id_value(id_: bytes) -> Any:
    """The `_id` in a `Document.id`."""
    return RawBSONDocument(id_, EXACT)[""]


class CollectionReader:
    """The watched database. Everything raises Outage, NotPermitted or ConfigurationError. Close it, or use `with`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.json_format]
        self._client = connect(settings)
        # Causal: a secondary, if the URI has documents read there, waits until it has all that `time` has told of.
        self._session = self._client.start_session()
        self._database = self._client[settings.database]

    def collections(self) -> list[str]:
        """The watched collections that there are; views and time series have no change stream."""
        with translated():
            names = self._database.list_collection_names(filter={"type": "collection"})
        return sorted(name for name in names if self._settings.watches(name))

    def count(self, collection: str) -> int:
        """About how many documents it has."""
        with translated():
            count: int = self._database.command("count", collection, read_preference=self._client.read_preference)["n"]
            return count

    def chunks(self, collection: str) -> Iterator[list[Document]]:
        """All documents, in the order of `_id`.

        Each chunk is a request of its own, which begins where the one before has ended: no cursor has to live for hours, and what
        an election has interrupted is asked for again, for OUTAGE_SECONDS.
        """
        last: bytes | None = None
        read, answered = CHUNK, time.monotonic()
        while read >= CHUNK:
            read = 0
            try:
                for chunk in self._after(collection, last):
                    read += len(chunk)
                    last = chunk[-1].id
                    yield chunk
                answered = time.monotonic()
            except Outage:
                if time.monotonic() - answered > OUTAGE_SECONDS:
                    raise
                time.sleep(RETRY_SECONDS)
                read = CHUNK

    def sample(self, collection: str, count: int) -> Iterator[list[Document]]:
        """`count` documents by chance."""
        return self._read(collection, [{"$sample": {"size": count}}])

    def by_ids(self, collection: str, ids: Iterable[bytes]) -> dict[bytes, Document]:
        """Those of the documents that are there, by key."""
        values = [id_value(id_) for id_ in ids]
        found = self._read(collection, [{"$match": {"_id": {"$in": values}}}])
        return {document.key: document for chunk in found for document in chunk}

    def by_keys(self, collection: str, keys: Iterable[bytes]) -> dict[bytes, Document]:
        """As `by_ids`, by keys as they are in messages: what JSON does not tell apart is tried."""
        wanted = set(keys)
        values = [value for key in wanted for value in possible_ids(key, self._settings.json_format)]
        found = self._read(collection, [{"$match": {"_id": {"$in": values}}}])
        return {document.key: document for chunk in found for document in chunk if document.key in wanted}

    def time(self) -> Timestamp:
        """The primary's own time: every change that has been read so far was made at or before it."""
        with translated():
            reply = self._client.admin.command("ping", session=self._session)
        return Timestamp(reply["operationTime"].time, reply["operationTime"].inc)

    def close(self) -> None:
        """Give the connection back."""
        self._session.end_session()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _after(self, collection: str, last: bytes | None) -> Iterator[list[Document]]:
        """The next CHUNK documents behind this `_id`, of all types: $gt alone finds those of the same type, within $expr all."""
        unset = {path: 0 for stage in _exclusions(self._settings.exclude_fields, collection) for path in stage["$unset"]}
        behind = {} if last is None else {"$expr": {"$gt": ["$_id", {"$literal": id_value(last)}]}}
        in_order = {"sort": {"_id": 1}, "hint": {"_id": 1}, "limit": CHUNK, "batchSize": CHUNK}
        return self._documents({"find": collection, "filter": behind, "projection": unset, **in_order})

    def _read(self, collection: str, stages: list[Stage]) -> Iterator[list[Document]]:
        pipeline = [*stages, *_exclusions(self._settings.exclude_fields, collection)]
        return self._documents({"aggregate": collection, "pipeline": pipeline, "cursor": {"batchSize": CHUNK}})

    def _documents(self, command: dict[str, Any]) -> Iterator[list[Document]]:
        """The documents that the command finds, in chunks that are as large as a reply at most; none of them is empty.

        pymongo's `Collection` does not take every name that MongoDB does, like `a..b`, and a command takes all of them.
        """
        chunk, size = [], 0
        with translated(), self._cursor(command) as cursor:
            for document in cursor:
                raw = bytes(document.raw)
                chunk.append(self._document(raw))
                size += len(raw)
                if size >= CHUNK_BYTES:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    def _cursor(self, command: dict[str, Any]) -> CommandCursor[Any]:
        exact = self._database.with_options(EXACT)  # for the cursor's later replies
        return exact.cursor_command(
            {**command, "readConcern": self._read_concern()},
            session=self._session,
            read_preference=self._client.read_preference,
            codec_options=EXACT,
        )

    def _read_concern(self) -> Mapping[str, Any]:
        """What is not committed by a majority yet is in no change stream."""
        known = self._session.operation_time
        return {"level": "majority", **({"afterClusterTime": known} if known else {})}

    def _document(self, raw: bytes) -> Document:
        document = self._dialect.decode(raw)
        return Document(self._dialect.dumps(document["_id"]), self._dialect.dumps(document), raw)


def _exclusions(fields: Iterable[str], collection: str) -> list[Stage]:
    """What `exclude_fields` leaves out of this collection's documents, by the same operator that the watcher uses."""
    paths = [path for text in fields for name, path in [split_field(text)] if fnmatchcase(collection, name)]
    outermost = {path for path in paths if not any(path[:length] in paths for length in range(1, len(path)))}
    return [{"$unset": sorted(".".join(path) for path in outermost)}] if outermost else []
