"""Reads the collections in the form of the watcher's messages: same fields, same JSON dialect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from watcher.mongodb.errors import QueryRefused, translated
from watcher.verification.errors import Unjudgeable
from watcher.verification.keys import KeyForm, possible_ids
from watcher.verification.state import FAILED, digest_of

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

ID_ALONE: Mapping[str, Any] = {"$project": {"_id": 1}}

MOST_FAILING = 1000
"""Most documents on which `pipeline` may fail: to find one takes some twenty questions to MongoDB."""

FAILED_HINT = "Write the stage so that it cannot fail, for example with $convert and onError, or put a $match before it."

T = TypeVar("T")


class Document(NamedTuple):
    """A document as JSON and in BSON. `key` is its `_id` as in the Kafka key of its messages.

    If `pipeline` fails on it, `failure` has MongoDB's words, and there is no more of it than its `_id`.
    """

    key: bytes
    text: bytes
    raw: bytes
    failure: str = ""

    @property
    def digest(self) -> bytes:
        """The digest that stands for the document's text."""
        return FAILED if self.failure else digest_of(self.text)

    @property
    def id(self) -> bytes:
        """The document `{"_id": …}` in BSON, which works for any type of `_id`."""
        return id_document(self.raw)


def id_value(id_: bytes) -> Any:
    """Return the `_id` in a `Document.id`."""
    return RawBSONDocument(id_, EXACT)["_id"]


class SourceReader:
    """The watched databases, whose collections are named as the scope names them. Close it, or use `with`.

    All methods raise Outage, NotPermitted or ConfigurationError; those that read documents also Unjudgeable.

    An outage is ridden out for up to OUTAGE_SECONDS, except in the middle of a sample.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.json_format]
        self._keys = KeyForm.of(settings)
        self._session = CommandSession(settings)
        self._scope = settings.scope
        self._readers: dict[tuple[str, bool], CollectionReader] = {}
        self._failing: set[tuple[str, bytes]] = set()
        """Documents on which `pipeline` fails, by collection and `_id`."""

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
            try:
                chunk = _patiently(partial(reader.chunk, name, last, limit=CHUNK))
                documents = self._documents(chunk.documents)
            except QueryRefused:
                as_they_are, _ = self._place(collection, staged=False)
                chunk = _patiently(partial(as_they_are.chunk, name, last, limit=CHUNK))
                documents = self._staged(collection, [id_document(each) for each in chunk.documents])
            if documents:
                yield documents
            last, complete = chunk.last_id or last, chunk.complete

    def sample(self, collection: str, count: int) -> Iterator[list[Document]]:
        """Yield `count` random documents."""
        reader, name = self._place(collection, staged=False)
        replies = reader.aggregate(name, [{"$sample": {"size": count}}, ID_ALONE], CHUNK)
        return (documents for ids in replies if (documents := self._staged(collection, ids)))

    def by_ids(self, collection: str, ids: Sequence[bytes]) -> dict[bytes, Document]:
        """Return the documents that exist, by key."""
        return {document.key: document for document in self._staged(collection, ids)}

    def by_keys(self, collection: str, keys: Iterable[bytes]) -> dict[bytes, Document]:
        """Like `by_ids`, but with keys from messages. If JSON does not show the type of an `_id`, all possible ones are tried."""
        wanted = set(keys)
        values = [value for key in wanted for value in possible_ids(key, self._settings.json_format)]
        stages = [{"$match": {"_id": {"$in": values}}}, ID_ALONE]
        reader, name = self._place(collection, staged=False)
        ids = _patiently(lambda: [id_ for reply in reader.aggregate(name, stages, CHUNK) for id_ in reply])
        return {key: document for key, document in self.by_ids(collection, ids).items() if key in wanted}

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

    def _place(self, collection: str, *, staged: bool = True) -> tuple[CollectionReader, str]:
        """Return the reader of the collection's database, and the collection's name there. Its documents come as `pipeline` makes
        them if `staged`."""
        database, name = self._scope.place_of(collection)
        return self._reader(database, staged=staged), name

    def _reader(self, database: str, *, staged: bool = True) -> CollectionReader:
        if (database, staged) not in self._readers:
            fields = fields_in(database, self._settings.exclude_fields, self._scope)
            pipeline = self._settings.pipeline if staged else ()
            self._readers[database, staged] = CollectionReader(self._session, database, fields, pipeline)
        return self._readers[database, staged]

    def _staged(self, collection: str, ids: Sequence[bytes]) -> list[Document]:
        """Return those of the documents that exist and pass `pipeline`, in any order.

        Where `pipeline` fails, the ids are halved until those are found on which it does.
        """
        reader, name = self._place(collection)
        try:
            return _patiently(lambda: [each for reply in reader.by_ids(name, ids, CHUNK) for each in self._documents(reply)])
        except QueryRefused as error:
            if not ids:
                raise
            if not self._failing:
                self._staged(collection, [])  # if it needs no document to fail, it is no fault of one
            if len(ids) == 1:
                return [self._failed(collection, ids[0], str(error))]
            middle = len(ids) // 2
            return self._staged(collection, ids[:middle]) + self._staged(collection, ids[middle:])

    def _failed(self, collection: str, id_: bytes, failure: str) -> Document:
        """Note that `pipeline` fails on a document. Raises Unjudgeable if it does on too many."""
        key = self._keys.of_document(id_)
        self._failing.add((collection, id_))
        if len(self._failing) > MOST_FAILING:
            raise Unjudgeable(
                f"`pipeline` fails on more than {MOST_FAILING} documents, such as {collection} {key.decode()}: {failure}",
                hint=FAILED_HINT,
            )
        return Document(key, b"", id_, failure)

    def _documents(self, raws: Sequence[bytes]) -> list[Document]:
        return [self._document(raw) for raw in raws]

    def _document(self, raw: bytes) -> Document:
        return Document(self._keys.of_document(raw), self._dialect.dumps(self._dialect.decode(raw)), raw)


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
