"""Finds the elements of a BSON document without decoding their values (https://bsonspec.org/spec.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bson.errors import InvalidBSON

try:
    from watcher import _bson_elements
except ImportError:
    _bson_elements = None  # type: ignore[assignment]  # it was not compiled

native = _bson_elements
"""The part in C; None if it was not compiled."""

STRING, DOCUMENT, ARRAY, BINARY, UNDEFINED, DATE, NULL, REGEX, POINTER, CODE, SYMBOL, SCOPED_CODE = (
    0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
)  # fmt: skip
SEVERAL = -1
"""Stands in the place of a type for several neighbouring elements."""

ID = b"_id\0"
LENGTH = 4
"""Bytes of the length with which a document, an array, a string and others begin."""

_FIXED = {0x01: 8, UNDEFINED: 0, 0x07: 12, 0x08: 1, DATE: 8, NULL: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_BESIDE = {STRING: 4, DOCUMENT: 0, ARRAY: 0, BINARY: 5, POINTER: 16, CODE: 4, SYMBOL: 4, SCOPED_CODE: 0}
"""Bytes of a value beyond those that its length counts."""

_FIXED_ONES = re.compile(
    rb"(?:[\x01\x09\x11\x12][^\0]*+\0.{8}|\x10[^\0]*+\0.{4}|[\x06\x0a\x7f\xff][^\0]*+\0|\x08[^\0]*+\0.|\x07[^\0]*+\0.{12}|\x13[^\0]*+\0.{16})++",
    re.DOTALL,
)
"""Matches a run of elements of fixed size, far faster than one by one in Python."""


class Element(NamedTuple):
    """Place of an element: its type is at `start`, its value begins at `value` and ends before `end`. `kind` is its type, or
    SEVERAL."""

    kind: int
    start: int
    value: int
    end: int


def runs(data: bytes, at: int, most: int) -> Iterator[Element]:
    """Yield the elements of the document or array at `at`: SEVERAL together up to `most` bytes, a larger one by itself.

    Errors: InvalidBSON.
    """
    last = _last(data, at)
    start = at = at + LENGTH
    while at < last:
        if fixed := _FIXED_ONES.match(data, at, min(start + most, last)):
            at = fixed.end()
        value, end = _value(data, at, last) if at < last else (at, at)
        if end - start > most:
            if start < at:
                yield Element(SEVERAL, start, start, at)
            if end - at > most:
                yield Element(data[at], at, value, end)
                start = end
            else:
                start = at
        at = end
    if start < last:
        yield Element(SEVERAL, start, start, last)


def elements(data: bytes, at: int) -> Iterator[Element]:
    """Yield the elements of the document or array at `at`, one by one. Errors: InvalidBSON."""
    last = _last(data, at)
    at += LENGTH
    while at < last:
        value, end = _value(data, at, last)
        yield Element(data[at], at, value, end)
        at = end


def joined(found: Iterable[Element], most: int) -> Iterator[Element]:
    """Join neighbours into SEVERAL, up to `most` bytes together; a larger element stays by itself."""
    start = end = -1
    for element in found:
        if element.start == end and element.end - start <= most:
            end = element.end
            continue
        if start < end:
            yield Element(SEVERAL, start, start, end)
        start, end = element.start, element.end
        if end - start > most:
            yield element
            start = end
    if start < end:
        yield Element(SEVERAL, start, start, end)


def element_at(data: bytes, at: int, document_at: int) -> Element:
    """The element at `at` in the document at `document_at`. Errors: InvalidBSON."""
    return Element(data[at], at, *_value(data, at, _last(data, document_at)))


def name_of(data: bytes, element: Element) -> str:
    """Return the element's name; bytes that are not UTF-8 become U+FFFD."""
    return data[element.start + 1 : element.value - 1].decode(errors="replace")


def documents(data: bytes, at: int) -> list[bytes]:
    """Return the elements of the array at `at`, all of them documents. Each consists of type, index as text, 0, document."""
    if native and (found := native.documents(data, at)) is not None:
        return found
    cut = list[bytes]()
    at += LENGTH
    while data[at]:
        start = data.index(0, at) + 1
        at = start + length(data, start)
        cut.append(data[start:at])
    return cut


def document(content: bytes) -> bytes:
    """Make a document of these elements."""
    return (LENGTH + len(content) + 1).to_bytes(LENGTH, "little") + content + b"\0"


def id_document(data: bytes) -> bytes:
    """Cut the `_id` out of a document: `{"_id": …}`, as a change event has it in `documentKey`. Errors: InvalidBSON if there is
    none."""
    if data.startswith(ID, LENGTH + 1):  # nearly always, and far cheaper than a look at each element
        end = LENGTH + 1 + len(ID) + _FIXED.get(data[LENGTH], len(data))
        return document(data[LENGTH : end if end < len(data) else element_at(data, LENGTH, 0).end])
    for element in elements(data, 0):
        if data.startswith(ID, element.start + 1):
            return document(data[element.start : element.end])
    raise InvalidBSON("a document has no _id")


def length(data: bytes, at: int) -> int:
    """Read the length at `at`."""
    return int.from_bytes(data[at : at + LENGTH], "little")


def _last(data: bytes, at: int) -> int:
    """Return the place of the zero byte that ends the document at `at`. Errors: InvalidBSON."""
    last = at + length(data, at) - 1
    if not at + LENGTH <= last < len(data) or data[last]:
        raise InvalidBSON("a document does not end where its length says")
    return last


def _value(data: bytes, at: int, last: int) -> tuple[int, int]:
    """Return the begin and end of the value of the element at `at`, in a document whose last byte is at `last`. Errors:
    InvalidBSON."""
    kind = data[at]
    value = data.find(0, at + 1, last) + 1
    if (fixed := _FIXED.get(kind)) is not None:
        end = value + fixed
    elif (beside := _BESIDE.get(kind)) is not None:
        end = value + beside + int.from_bytes(data[value : value + LENGTH], "little")
    elif kind == REGEX:
        end = data.find(0, data.find(0, value, last) + 1, last) + 1
    else:
        raise InvalidBSON(f"an element has the unknown type {kind}")
    if not at < value <= end <= last:
        raise InvalidBSON("an element goes beyond its document")
    return value, end
