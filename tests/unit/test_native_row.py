"""The part in C makes the same messages as Python, or none; whatever bytes it is given."""

from __future__ import annotations

import os
from typing import Any

import bson
import pytest
from bson import Binary, Code, DatetimeMS, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bson_types import TYPES, Sample, raw, raw_document, raw_string
from tests.unit.change_events import change, encoder, recorded
from tests.unit.random_bson import documents
from watcher.errors import UndeliverableEvent
from watcher.messages.encoder import native_row

pytestmark = pytest.mark.skipif(
    native_row is None and not os.environ.get("CI"), reason="the part in C was not compiled: no C compiler, or no Python.h"
)

WATCHER = b'"dashboard-watcher"'
ROWS = ("insert", "update", "replace", "delete")
FOR_PYTHON = {"string, invalid UTF-8", "date, year below 0", "date, year above 9999", "date, beyond JavaScript's", "DBRef"}
NATIVE_TYPES = {0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x09, 0x0A, 0x10, 0x12}


def natively(event: bytes, sequence: int = 7) -> tuple[bytes, bytes, int] | None:
    assert native_row is not None
    row = native_row(event, WATCHER, sequence)
    return row and row[3:]


def in_python(event: bytes, sequence: int = 7) -> tuple[bytes | None, bytes, int]:
    message = encoder(native=False).encode(event, sequence)
    return message.key, message.value, message.timestamp_ms


def same(event: dict[str, Any] | bytes, sequence: int = 7) -> bool:
    """Whether the part in C makes the message; then it has to be Python's."""
    event = event if isinstance(event, bytes) else bson.encode(event)
    row = natively(event, sequence)
    assert row is None or row == in_python(event, sequence)
    return row is not None


@pytest.mark.parametrize("operation", ROWS)
def test_what_a_server_sent(operation: str) -> None:
    event = recorded()[operation]
    assert same(event)
    assert encoder().encode(event, 7) == encoder(native=False).encode(event, 7)


@pytest.mark.parametrize("operation", sorted(recorded().keys() - ROWS))
def test_what_is_no_row_is_left_alone(operation: str) -> None:
    assert not same(recorded()[operation])


@pytest.mark.parametrize("sample", TYPES, ids=lambda sample: sample.name)
def test_every_type(sample: Sample) -> None:
    event = bson.encode(change("insert", fullDocument=RawBSONDocument(sample.document)))
    known = sample.document[4] in NATIVE_TYPES and sample.name not in FOR_PYTHON
    assert same(event) or not known


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"": ""},
        {"text": "".join(map(chr, range(128)))},
        {"text": "ü" * 7 + '"' + "\\" * 9 + "\x00" + "a" * 20 + "😀\u2028"},
        {"ключ": {"a.b": [{}, [], [[1]], None, True, False]}},
        {"n": [0, -1, 2**31 - 1, -(2**31), Int64(2**63 - 1), Int64(-(2**63)), Int64(0)]},
        {"n": [0.0, -0.0, 1.5, 0.1, -123.456, 1e14, 999_999_999_999_999.0, 0.001]},
        {"n": [float("nan"), float("inf"), float("-inf")]},
        {"id": ObjectId(), "raw": b"", "one": b"1", "two": b"12", "three": b"\xff\x00\x01", "uuid": Binary(bytes(range(16)), 4)},
        {"at": [DatetimeMS(ms) for ms in (0, -1, 1_704_110_400_123, 951_782_400_000, -62_135_596_800_000, 253_402_300_799_999)]},
        {f"field{number}": number for number in range(1000)},
        {f"field{number}": number for number in range(100_000)},
        {"x" * number: number for number in range(2000)},
        {"a" + "\u00e9" * 100_000 + "\n": "b" + "\u20ac" * 100_000 + "\0" * 100_000},  # cut anywhere in a character
    ],
)  # fmt: skip
def test_common_values(document: dict[str, Any]) -> None:
    assert same(change("insert", fullDocument=document))


@pytest.mark.parametrize(
    "document",
    [
        {"n": 1e16},
        {"n": 1e-7},
        {"at": DatetimeMS(2**60)},
        {"ref": {"$ref": "c", "$id": 1}},
        {"code": Code("f()")},
        {"raw": Binary(b"x", 3)},
        {"raw": Binary(b"short", 4)},
    ],
)
def test_values_for_python(document: dict[str, Any]) -> None:
    assert not same(change("insert", fullDocument=document))


@pytest.mark.parametrize(
    "document",
    [
        raw_document(b"\x08a\0\x00" + b"\x08b\0\x00" + b"\x08a\0\x01"),  # a key twice
        raw_document(b"\x08\xff\0\x01"),  # a key that is no UTF-8
        *(raw(0x02, raw_string(b"x" + text)) for text in (b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82")),
    ],
)
def test_odd_documents_for_python(document: bytes) -> None:
    assert not same(bson.encode(change("insert", fullDocument=RawBSONDocument(document))))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 3000), st.data())
def test_a_key_twice_in_any_document(count: int, data: st.DataObject) -> None:
    """Wherever the two stand; names are short or long, and some begin alike or have one hash."""
    names = [f"{number}".zfill(number % 30).encode() for number in range(count)]
    first, second = sorted(data.draw(st.lists(st.integers(0, count), min_size=2, max_size=2, unique=True)))
    names.insert(second, names[first])
    elements = [b"\x10" + name + b"\0\1\0\0\0" for name in names]
    assert not same(bson.encode(change("insert", fullDocument=RawBSONDocument(raw_document(b"".join(elements))))))
    del elements[second]
    assert same(bson.encode(change("insert", fullDocument=RawBSONDocument(raw_document(b"".join(elements))))))


@pytest.mark.parametrize(("depth", "native"), [(100, True), (120, True), (200, False)])
def test_depth(depth: int, native: bool) -> None:
    document: Any = {}
    for _ in range(depth):
        document = {"a": document}
    assert same(change("insert", fullDocument=document)) is native


@pytest.mark.parametrize(("snapshot", "native"), [("s1", True), ("", True), ('ü"', True), (5, False), (None, False)])
def test_a_document_of_a_snapshot(snapshot: object, native: bool) -> None:
    assert same(change("insert", _id={"_data": "s1.17"}, fullDocument={"n": 1}, snapshot=snapshot)) is native


@pytest.mark.parametrize("wall_time", [None, DatetimeMS(-1), DatetimeMS(2**60), 5])
def test_odd_times_for_python(wall_time: object) -> None:
    event = change("insert")
    event["wallTime"] = wall_time
    if wall_time is None:
        del event["wallTime"]
    assert natively(bson.encode(event)) is None


@pytest.mark.parametrize("sequence", [1, 10**6, 2**53, 2**63 - 1, 2**63])
def test_sequence(sequence: int) -> None:
    assert same(change("delete"), sequence) is (sequence < 2**63)


@pytest.mark.parametrize("arguments", [(), (b"",), ("text", WATCHER, 1), (b"", None, 1), (b"", WATCHER, "1")])
def test_wrong_arguments(arguments: tuple[Any, ...]) -> None:
    assert native_row is not None
    with pytest.raises(TypeError):
        native_row(*arguments)


@settings(deadline=None)
@given(documents, documents, st.sampled_from(ROWS))
def test_any_document(document: dict[str, Any], other: dict[str, Any], operation: str) -> None:
    update = {"updatedFields": other, "removedFields": [*document]}
    same(change(operation, fullDocument=document, fullDocumentBeforeChange=other, updateDescription=update))


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(ROWS), st.binary(min_size=1, max_size=12), st.floats(0, 1))
def test_any_bytes(operation: str, noise: bytes, place: float) -> None:
    """What Python refuses may pass where the part in C doesn't look; what Python takes is the same, and nothing crashes."""
    event = recorded()[operation]
    position = int(place * len(event))
    damaged = event[:position] + noise + event[position + len(noise) :]
    row = natively(damaged)
    try:
        expected = in_python(damaged)
    except UndeliverableEvent:
        return
    assert row is None or row == expected


@pytest.mark.parametrize("operation", ROWS)
def test_cut_off_anywhere(operation: str) -> None:
    event = recorded()[operation]
    assert [length for length in range(len(event)) if natively(event[:length])] == []
