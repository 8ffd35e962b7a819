"""Documents of a collection as change events, so that they take the way of all changes from there on. Pure.

Formats: https://bsonspec.org/spec.html, https://www.mongodb.com/docs/manual/reference/change-events/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.timestamp import Timestamp

from watcher.bson_elements import DOCUMENT, LENGTH, Element, document, elements, id_document, native
from watcher.model import Snapshot, Ticks

NAMESPACE = b"ns\0"
KEY = b"documentKey\0"
AFTER = b"fullDocument\0"

_NUMBERS_AND_CONTAINERS = frozenset({0x01, 0x03, 0x04, 0x10, 0x12, 0x13})
"""Types whose values may be equal to MongoDB though their bytes differ."""

_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="surrogateescape"
)


def namespace_of(database: str, collection: str) -> bytes:
    """Write the field `ns` of a change event, as BSON."""
    return bson.encode({"db": database, "coll": collection})


def row_events(documents: Sequence[bytes], snapshot: Snapshot, namespace: bytes, time: Ticks) -> list[bytes]:
    """Make the change events of documents that were read as of `time`. Their ids go on from `snapshot.documents`.

    Each event is written by hand, in one piece: this is part of the hot path, and only number, key and document differ.
    """
    times = {"clusterTime": Timestamp(*time), "wallTime": DatetimeMS(time[0] * 1000)}
    about = bson.encode({"operationType": snapshot.operation, **times})[LENGTH:-1]
    before_key, before_row = about + b"\x03ns\0" + namespace, b"\x03fullDocument\0"
    tail = bson.encode({"snapshot": snapshot.id})[LENGTH:]
    id_start, first = f"{snapshot.id}.".encode(), snapshot.documents + 1
    if native and (made := native.row_events(documents, first, id_start, before_key, before_row, tail)) is not None:
        return made
    events = list[bytes]()
    for number, row in enumerate(documents, first):
        id_ = bson.encode({"_id": {"_data": f"{snapshot.id}.{number}"}})[LENGTH:-1]
        events.append(document(b"".join((id_, before_key, b"\x03documentKey\0", id_document(row), before_row, row, tail[:-1]))))
    return events


def superseded_rows(documents: Sequence[bytes], events: Sequence[bytes], namespace: bytes) -> dict[int, int]:
    """Map each event that holds a whole document to the row of the same document; the rows are counted on after the events.

    `namespace` is the rows' collection, as `namespace_of` writes it.
    """
    rows = {identity(id_document(row)): number for number, row in enumerate(documents, len(events) + 1)} if events else {}
    return {
        number: rows[key]
        for number, event in enumerate(events, 1)
        if namespace in event and (key := document_of(event, namespace, whole=True)) is not None and key in rows
    }


def identity(key: bytes) -> object:
    """Return a hashable value that two `{_id: …}` share if their `_id`s are the same to MongoDB, whatever their numeric types."""
    return _normal(bson.decode(key, _CODEC)["_id"]) if key[4] in _NUMBERS_AND_CONTAINERS else key


def document_of(event: bytes, namespace: bytes, *, whole: bool = False) -> object:
    """Return the identity of an event's document if the event is of this collection, and with `whole` only if it holds the whole
    document; otherwise None."""
    key: bytes | None = None
    is_whole = is_ours = False
    for element in elements(event, 0):
        if event.startswith(NAMESPACE, element.start + 1):
            is_ours = _value(event, element) == namespace
        elif event.startswith(KEY, element.start + 1):
            key = id_document(_value(event, element))
        elif event.startswith(AFTER, element.start + 1):
            is_whole = element.kind == DOCUMENT
    return identity(key) if key and is_ours and (is_whole or not whole) else None


def _normal(value: Any) -> object:
    if isinstance(value, Mapping):
        return tuple((name, _normal(each)) for name, each in value.items())
    if isinstance(value, list):
        return ("array", *map(_normal, value))
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        return ("number", "nan" if number.is_nan() else number)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", "nan" if value != value else value)
    return (type(value).__name__, repr(value))


def _value(data: bytes, element: Element) -> bytes:
    return data[element.value : element.end]
