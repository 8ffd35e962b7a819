"""The part in C makes the same messages as Python, or none, whatever bytes it is given."""

from __future__ import annotations

import contextlib
from typing import Any

import bson
import orjson
import pytest
from bson import Binary, Code, DatetimeMS, Int64, ObjectId, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.native_part import NEEDS_C, topic_of
from tests.unit.bson_types import TYPES, Sample, raw, raw_document, raw_string
from tests.unit.change_events import change, encoder, recorded
from tests.unit.random_bson import documents
from watcher.errors import UndeliverableEvent
from watcher.messages.envelopes import ENVELOPES
from watcher.messages.envelopes.generic import generic
from watcher.messages.envelopes.layout import Envelope, Layout, Value
from watcher.messages.rows import RowMessages
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.template import fast_path
from watcher.model import Message

pytestmark = NEEDS_C

PLAIN = DIALECTS["plain"]
DUMPS = PLAIN.dumps
GENERIC = generic("dashboard-watcher")
ROWS = ("insert", "update", "replace", "delete")
FORMS = [("generic", "plain"), ("generic", "extended"), ("generic", "strict"), ("document", "plain"), ("debezium", "strict"),
         ("mongodb", "strict"), ("mongodb", "extended")]  # fmt: skip
EVERY_FORM = pytest.mark.parametrize(("envelope", "dialect"), FORMS)
FOR_PYTHON = {"string, invalid UTF-8", "date, year below 0", "date, year above 9999", "date, beyond JavaScript's", "DBRef"}
NOT_FINITE = {"double, NaN", "double, Infinity", "double, -Infinity"}
RAW: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)
NATIVE_TYPES = {0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x09, 0x0A, 0x10, 0x11, 0x12}


def natively(event: bytes, sequence: int = 7, envelope: Envelope = GENERIC, dialect: str = "plain") -> Message | None:
    fill = fast_path(envelope, DUMPS, dialect, Message)
    assert fill is not None
    messages, size, _ = fill([event], 0, 1, sequence, 1, topic_of)
    assert size == sum(len(message.value or b"") for message in messages)
    return messages[0] if messages else None


def same(event: dict[str, Any] | bytes, sequence: int = 7, envelope: str = "generic", dialect: str = "plain") -> bool:
    """Return True if the part in C makes the message; then it has to be Python's."""
    event = event if isinstance(event, bytes) else bson.encode(event)
    layout = ENVELOPES[envelope]("dashboard-watcher")
    made = natively(event, sequence, layout, layout.dialect or dialect) is not None
    form = {"envelope": envelope, "json_format": dialect}
    assert not made or encoder(**form).encode(event, sequence) == encoder(native=False, **form).encode(event, sequence)
    return made


@EVERY_FORM
@pytest.mark.parametrize("operation", ROWS)
def test_what_a_server_sent(operation: str, envelope: str, dialect: str) -> None:
    event = recorded()[operation]
    assert same(event, 7, envelope, dialect)


@pytest.mark.parametrize("operation", sorted(recorded().keys() - ROWS))
def test_what_is_no_row_is_left_alone(operation: str) -> None:
    assert not same(recorded()[operation])


@EVERY_FORM
@pytest.mark.parametrize("sample", TYPES, ids=lambda sample: sample.name)
def test_every_type(sample: Sample, envelope: str, dialect: str) -> None:
    event = bson.encode(change("insert", fullDocument=RawBSONDocument(sample.document)))
    known = sample.document[4] in NATIVE_TYPES and sample.name not in FOR_PYTHON | (NOT_FINITE if dialect != "plain" else set())
    assert same(event, 7, envelope, dialect) or not known


@EVERY_FORM
@pytest.mark.parametrize("sample", TYPES, ids=lambda sample: sample.name)
def test_every_type_as_id(sample: Sample, envelope: str, dialect: str) -> None:
    """In the key, where Debezium's has spaces; and in an update, in its other dialect."""
    id_ = bson.decode(sample.document, RAW)["v"]
    same(change("update", {"_id": id_}, fullDocument={}, updateDescription={"updatedFields": {"a": id_}}), 7, envelope, dialect)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"": ""},
        {"text": "".join(map(chr, range(128)))},
        {"text": "ü" * 7 + '"' + "\\" * 9 + "\x00" + "a" * 20 + "😀\u2028"},
        {"ключ": {"a.b": [{}, [], [[1]], None, True, False]}},
        {"n": [0, -1, 2**31 - 1, -(2**31), Int64(2**63 - 1), Int64(-(2**63)), Int64(0)]},
        {"n": [0.0, -0.0, 1.5, 0.1, -123.456, 1e14, 999_999_999_999_999.0, 0.001, 562_949_953_421_312.25, 562_949_953_421_312.75]},
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


@pytest.mark.parametrize("wall_time", [DatetimeMS(2**60), 5, None])
def test_odd_times_for_python(wall_time: object) -> None:
    assert natively(bson.encode({**change("insert"), "wallTime": wall_time})) is None


def test_no_time_for_python() -> None:
    event = change("insert")
    del event["wallTime"]
    assert not same(event)


@EVERY_FORM
@pytest.mark.parametrize("time_ms", [-(2**60), -1, 0, 253_402_300_799_999, 253_402_300_800_000, 2**60])
def test_a_time_that_no_record_has(time_ms: int, envelope: str, dialect: str) -> None:
    """Such a time may stand in the message or not."""
    same(change("insert", fullDocument={}, wallTime=DatetimeMS(time_ms)), 7, envelope, dialect)


@settings(deadline=None, max_examples=500)
@given(st.lists(st.floats(0.001, 1e15, exclude_max=True) | st.integers(-(10**14), 10**14).map(lambda n: n / 1000), max_size=50))
def test_doubles_have_the_digits_that_python_gives_them(numbers: list[float]) -> None:
    numbers = [number for number in numbers if number == 0 or abs(number) >= 0.001]
    message = natively(bson.encode(change("insert", fullDocument={"n": [*numbers, *(-number for number in numbers)]})))
    assert message is not None
    assert orjson.dumps([*numbers, *(-number for number in numbers)]) in (message.value or b"")


@pytest.mark.parametrize("sequence", [1, 10**6, 2**53, 2**63 - 1, 2**63])
def test_sequence(sequence: int) -> None:
    assert same(change("delete"), sequence) is (sequence < 2**63)


def test_a_returned_string_that_is_no_utf8_is_for_python() -> None:
    event = bson.encode(change("delete", ns={"db": "dashboard", "coll": "xyz"})).replace(b"xyz", b"x\xffz")
    bare = Envelope(Value("documentId"), dict.fromkeys(ROWS, Value("documentKey")))
    assert natively(event, envelope=bare) is None


def test_another_envelope() -> None:
    """Nested objects, constants, and another layout for each operation: the same in C and in Python."""
    source: dict[str, Layout] = {
        "db": Value("database"),
        "fixed": {"n": 1, "none": None},
        "before": Value("fullDocumentBeforeChange"),
    }
    layouts: dict[str, Layout] = {"insert": Value("fullDocument"), "delete": {"op": "d", "source": source, "n": Value("sequence")}}
    envelope = Envelope(source, layouts)
    inserted = bson.encode(change("insert", fullDocument={"n": 1.5}))
    deleted = bson.encode(change("delete", fullDocumentBeforeChange={"x": None}))
    fixed = b'{"db":"dashboard","fixed":{"n":1,"none":null}'
    for event, key, value in (
        (inserted, fixed + b"}", b'{"n":1.5}'),
        (deleted, fixed + b',"before":{"x":null}}', b'{"op":"d","source":' + fixed + b',"before":{"x":null}},"n":7}'),
    ):
        rows = RowMessages(envelope, PLAIN, dict.fromkeys(ROWS, "topic"), lambda template, *_: template)
        message = rows.message(PLAIN.decode(event), 7)
        filled = natively(event, envelope=envelope)
        assert filled is not None
        assert (message.key, message.value) == (filled.key, filled.value) == (key, value)
    for other in ("update", "insert"):  # which has no layout, and no fullDocument
        assert natively(bson.encode(change(other)), envelope=envelope) is None


def test_a_field_of_mongodbs_that_is_called_as_one_of_ours() -> None:
    event = change("insert", truncated=["x"], watcher="y", sequence=9, timestamp="z", database=1, collection=2, eventId=3)
    assert same(event)
    assert encoder().encode(bson.encode(event), 7) == encoder().encode(bson.encode(change("insert")), 7)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(FORMS),
    documents,
    documents,
    st.sampled_from(ROWS),
    st.sampled_from([[], ["a", "b"]]),
    st.sampled_from([{}, {"snapshot": "s"}]),
)
def test_any_document(
    form: tuple[str, str], document: dict[str, Any], other: dict[str, Any], operation: str, removed: list[str], more: Any
) -> None:
    if more and operation not in ("insert", "replace"):
        more = {"lsid": {"id": Binary(bytes(16), 4), "uid": b"\0"}, "txnNumber": Int64(5)}
    update = {"updatedFields": other, "removedFields": removed, "truncatedArrays": []}
    event = change(operation, fullDocument=document, fullDocumentBeforeChange=other, updateDescription=update, **more)
    same(event, 7, *form)


@pytest.mark.parametrize(
    "id_",
    [
        {"a": ["x", ":y", "", ":", ","]},
        {'"': 1, "\\": '":","'},
        {"a:b": "c:d,e"},
        ':","',
        {"b": b"1", "t": Timestamp(1, 2), "e": {}, "l": []},
    ],
)
@pytest.mark.parametrize("envelope", ["debezium", "mongodb"])
def test_spaces_outside_of_strings_alone(id_: Any, envelope: str) -> None:
    assert same(change("delete", {"_id": id_, "region": "eu"}), 7, envelope, "strict")


def test_escapes_anywhere_between_plain_characters() -> None:
    """Text without any is copied eight bytes at a time."""
    texts = [
        "a" * before + mark * count + "b" * after
        for before in range(18)
        for after in (0, 1, 9)
        for mark in '"\\\n'
        for count in (1, 9)
    ]
    assert same(
        change("insert", fullDocument={"texts": texts, **{str(n): text for n, text in enumerate(texts)}}), 7, "debezium", "strict"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"fullDocument": None},
        {"fullDocument": {"text": 'a"\\\n' * 100_000}},
        {"fullDocument": {"n": 1}, "fullDocumentBeforeChange": {"text": '"' * 9}},
        {"updateDescription": {"updatedFields": {}, "removedFields": []}},
        {"updateDescription": {"updatedFields": {}, "removedFields": ["a"], "truncatedArrays": []}},
        {"lsid": {"id": Binary(bytes(16), 4), "uid": b"\0"}, "txnNumber": Int64(5)},
    ],
)
@pytest.mark.parametrize("envelope", ["debezium", "mongodb"])
def test_forms_of_values(fields: dict[str, Any], envelope: str) -> None:
    assert same(change("update", **fields), 7, envelope, "strict")


@pytest.mark.parametrize(
    "fields",
    [
        {"updateDescription": {"updatedFields": {}, "removedFields": [], "truncatedArrays": [{"field": "a", "newSize": 1}]}},
        {"updateDescription": None},
        {"clusterTime": 5},
        {"wallTime": DatetimeMS(0)},  # zeros may follow it
    ],
)
def test_forms_for_python(fields: dict[str, Any]) -> None:
    assert not same(change("update", fullDocument={}, **fields), 7, "debezium", "strict")


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(ROWS), st.binary(min_size=1, max_size=12), st.floats(0, 1))
def test_any_bytes(operation: str, noise: bytes, place: float) -> None:
    """Values that Python refuses may pass where the part in C doesn't look; what Python takes is the same, and nothing crashes."""
    event = recorded()[operation]
    position = int(place * len(event))
    damaged = event[:position] + noise + event[position + len(noise) :]
    natively(damaged)
    with contextlib.suppress(UndeliverableEvent):
        encoder(native=False).encode(damaged, 7)
        same(damaged)


@pytest.mark.parametrize("operation", ROWS)
def test_cut_off_anywhere(operation: str) -> None:
    event = recorded()[operation]
    assert [length for length in range(len(event)) if natively(event[:length])] == []
