"""Reads the collections in the form of the watcher's messages: same fields, same JSON dialect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from watcher.bson_elements import id_document
from watcher.config import Settings
from watcher.config.mongodb.fields import fields_in
from watcher.errors import Outage
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionReader
from watcher.mongodb.databases import collections_of, databases_of
from watcher.mongodb.errors import translated
from watcher.verification.keys import possible_ids

CHUNK = 1000
"""Documents in one request."""

OUTAGE_SECONDS = 30.0
"""Longest outage that is ridden out, in seconds. An election takes 12 s by default."""

RETRY_SECONDS = 0.5

EXACT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",
)
"""Options that decode an `_id` of any type so that it can be encoded again."""

T = TypeVar("T")


class Document(NamedTuple):
    """A document as JSON and in BSON. `key` is its `_id` as in the Kafka key of its messages."""

    key: bytes
    text: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        """The document `{"_id": …}` in BSON, which works for any type of `_id`."""
        return id_document(self.raw)


def id_value(id_: bytes) -> Any:
    """Return the `_id` in a `Document.id`."""
    return RawBSONDocument(id_, EXACT)["_id"]


class SourceReader:
    """The watched databases, whose collections are named as the scope names them. Close it, or use `with`.

    All methods raise Outage, NotPermitted or ConfigurationError.

    An outage is ridden out for up to OUTAGE_SECONDS, except in the middle of a sample.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.json_format]
        self._session = CommandSession(settings)
        self._scope = settings.scope
        self._readers: dict[str, CollectionReader] = {}

    def collections(self) -> list[str]:
        """Return the watched collections that exist, in all databases of the scope."""
        databases = _patiently(partial(databases_of, self._session, self._scope))
        return [name for database in databases for name in self._collections_of(database)]

    def count(self, collection: str) -> int:
        """Return about how many documents the collection has."""
        reader, name = self._place(collection)
        return _patiently(partial(reader.count, name))

    def chunks(self, collection: str) -> Iterator[list[Document]]:
        """Yield all documents, in the order of `_id`. No chunk is empty, and none is larger than a reply of MongoDB."""
        last: bytes | None = None
        complete = False
        reader, name = self._place(collection)
        while not complete:
            chunk = _patiently(partial(reader.chunk, name, last, limit=CHUNK))
            if chunk.documents:
                yield self._documents(chunk.documents)
            last, complete = chunk.last_id or last, chunk.complete

    def sample(self, collection: str, count: int) -> Iterator[list[Document]]:
        """Yield `count` random documents."""
        reader, name = self._place(collection)
        replies = reader.aggregate(name, [{"$sample": {"size": count}}], CHUNK)
        return (self._documents(reply) for reply in replies if reply)

    def by_ids(self, collection: str, ids: Sequence[bytes]) -> dict[bytes, Document]:
        """Return the documents that exist, by key."""
        reader, name = self._place(collection)
        return _patiently(lambda: self._by_key(reader.by_ids(name, ids, CHUNK)))

    def by_keys(self, collection: str, keys: Iterable[bytes]) -> dict[bytes, Document]:
        """Like `by_ids`, but with keys from messages. If JSON does not show the type of an `_id`, all possible ones are tried."""
        wanted = set(keys)
        values = [value for key in wanted for value in possible_ids(key, self._settings.json_format)]
        match = {"$match": {"_id": {"$in": values}}}
        reader, name = self._place(collection)
        found = _patiently(lambda: self._by_key(reader.aggregate(name, [match], CHUNK)))
        return {key: document for key, document in found.items() if key in wanted}

    def time(self) -> Timestamp:
        """Return the primary's time. Every change that has been read so far was made at or before it."""
        with translated():
            return self._session.primary_time()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _collections_of(self, database: str) -> list[str]:
        return _patiently(lambda: list(collections_of(self._reader(database), database, self._scope)))

    def _place(self, collection: str) -> tuple[CollectionReader, str]:
        """Return the reader of the collection's database, and the collection's name there."""
        database, name = self._scope.place_of(collection)
        return self._reader(database), name

    def _reader(self, database: str) -> CollectionReader:
        if database not in self._readers:
            fields = fields_in(database, self._settings.exclude_fields, self._scope)
            self._readers[database] = CollectionReader(self._session, database, fields, self._settings.pipeline)
        return self._readers[database]

    def _by_key(self, replies: Iterable[Sequence[bytes]]) -> dict[bytes, Document]:
        return {document.key: document for reply in replies for document in self._documents(reply)}

    def _documents(self, raws: Sequence[bytes]) -> list[Document]:
        return [self._document(raw) for raw in raws]

    def _document(self, raw: bytes) -> Document:
        document = self._dialect.decode(raw)
        return Document(self._dialect.dumps(document["_id"]), self._dialect.dumps(document), raw)


def _patiently(ask: Callable[[], T]) -> T:
    """Call `ask` until it succeeds, or an outage has lasted OUTAGE_SECONDS."""
    began = time.monotonic()
    while True:
        try:
            return ask()
        except Outage:
            if time.monotonic() - began > OUTAGE_SECONDS:
                raise
            time.sleep(RETRY_SECONDS)
