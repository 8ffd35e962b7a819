"""Reads the collections in the form of the watcher's messages: same fields, same JSON dialect."""

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
from watcher.config.mongodb.fields import split_field
from watcher.errors import Outage
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.mongodb.client import connect
from watcher.mongodb.errors import translated
from watcher.verification.keys import possible_ids

CHUNK = 1000
"""Documents in one request."""

CHUNK_BYTES = 16_000_000
"""Size at which a chunk is full, in bytes: as much as a reply of MongoDB holds."""

OUTAGE_SECONDS = 30.0
"""Longest outage that is ridden out, in seconds. An election takes 12 s by default."""

RETRY_SECONDS = 0.5

EXACT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",
)
"""Options that decode an `_id` of any type so that it can be encoded again."""

Stage = Mapping[str, Any]


class Document(NamedTuple):
    """A document as JSON and in BSON. `key` is its `_id` as in the Kafka key of its messages."""

    key: bytes
    text: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        """The document `{"": _id}` in BSON, which works for any type of `_id`."""
        return bson.encode({"": RawBSONDocument(self.raw, EXACT)["_id"]}, codec_options=EXACT)


def id_value(id_: bytes) -> Any:
    """Return the `_id` in a `Document.id`."""
    return RawBSONDocument(id_, EXACT)[""]


class CollectionReader:
    """The watched database. All methods raise Outage, NotPermitted or ConfigurationError. Close it, or use `with`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.json_format]
        self._client = connect(settings)
        # A causally consistent session. If the URI has documents read from a secondary, that one first catches up with `time`.
        self._session = self._client.start_session()
        self._database = self._client[settings.database]

    def collections(self) -> list[str]:
        """Return the watched collections that exist. Views and time series have no change stream."""
        with translated():
            names = self._database.list_collection_names(filter={"type": "collection"})
        return sorted(name for name in names if self._settings.watches(name))

    def count(self, collection: str) -> int:
        """Return about how many documents the collection has."""
        with translated():
            count: int = self._database.command("count", collection, read_preference=self._client.read_preference)["n"]
            return count

    def chunks(self, collection: str) -> Iterator[list[Document]]:
        """Yield all documents, in the order of `_id`.

        Each chunk is a request of its own that begins where the one before ended. So no cursor has to live for hours, and a request
        that an election interrupts is repeated, for up to OUTAGE_SECONDS.
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
        """Yield `count` random documents."""
        return self._read(collection, [{"$sample": {"size": count}}])

    def by_ids(self, collection: str, ids: Iterable[bytes]) -> dict[bytes, Document]:
        """Return the documents that exist, by key."""
        values = [id_value(id_) for id_ in ids]
        found = self._read(collection, [{"$match": {"_id": {"$in": values}}}])
        return {document.key: document for chunk in found for document in chunk}

    def by_keys(self, collection: str, keys: Iterable[bytes]) -> dict[bytes, Document]:
        """Like `by_ids`, but with keys from messages. If JSON does not show the type of an `_id`, all possible ones are tried."""
        wanted = set(keys)
        values = [value for key in wanted for value in possible_ids(key, self._settings.json_format)]
        found = self._read(collection, [{"$match": {"_id": {"$in": values}}}])
        return {document.key: document for chunk in found for document in chunk if document.key in wanted}

    def time(self) -> Timestamp:
        """Return the primary's time. Every change that has been read so far was made at or before it."""
        with translated():
            reply = self._client.admin.command("ping", session=self._session)
        return Timestamp(reply["operationTime"].time, reply["operationTime"].inc)

    def close(self) -> None:
        """Close the connection."""
        self._session.end_session()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _after(self, collection: str, last: bytes | None) -> Iterator[list[Document]]:
        """Yield the next CHUNK documents after this `_id`, whatever their types. $gt alone finds only those of the same type;
        within $expr it finds all.
        """
        unset = {path: 0 for stage in _exclusions(self._settings.exclude_fields, collection) for path in stage["$unset"]}
        behind = {} if last is None else {"$expr": {"$gt": ["$_id", {"$literal": id_value(last)}]}}
        in_order = {"sort": {"_id": 1}, "hint": {"_id": 1}, "limit": CHUNK, "batchSize": CHUNK}
        return self._documents({"find": collection, "filter": behind, "projection": unset, **in_order})

    def _read(self, collection: str, stages: list[Stage]) -> Iterator[list[Document]]:
        pipeline = [*stages, *_exclusions(self._settings.exclude_fields, collection)]
        return self._documents({"aggregate": collection, "pipeline": pipeline, "cursor": {"batchSize": CHUNK}})

    def _documents(self, command: dict[str, Any]) -> Iterator[list[Document]]:
        """Yield the documents that the command finds, in chunks no larger than a reply; none is empty.

        A command accepts every collection name that MongoDB does, such as `a..b`; pymongo's `Collection` does not.
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
        """Read concern for the source: changes that a majority has not committed yet are in no change stream."""
        known = self._session.operation_time
        return {"level": "majority", **({"afterClusterTime": known} if known else {})}

    def _document(self, raw: bytes) -> Document:
        document = self._dialect.decode(raw)
        return Document(self._dialect.dumps(document["_id"]), self._dialect.dumps(document), raw)


def _exclusions(fields: Iterable[str], collection: str) -> list[Stage]:
    """Stages that remove the `exclude_fields` of this collection, with the same operator that the watcher uses."""
    paths = [path for text in fields for name, path in [split_field(text)] if fnmatchcase(collection, name)]
    outermost = {path for path in paths if not any(path[:length] in paths for length in range(1, len(path)))}
    return [{"$unset": sorted(".".join(path) for path in outermost)}] if outermost else []
