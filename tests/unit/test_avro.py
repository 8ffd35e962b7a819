"""Messages in Avro: the same content as in JSON, in bytes that other programs read."""

from __future__ import annotations

import contextlib
import io
import struct
from typing import Any

import bson
import fastavro
import orjson
import pytest
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden_envelopes import CONTROL_TOPIC, ENVELOPES, ROOM, cases
from tests.golden_messages import SEQUENCE
from tests.support.native_part import NEEDS_C
from tests.unit.change_events import AVRO_SCHEMAS, USER_ID, change, encoder
from tests.unit.random_bson import documents
from watcher.decoding.avro import content_of
from watcher.decoding.decoder import decode
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces
from watcher.errors import UndeliverableEvent
from watcher.messages.serializations.avro_binary import kind_of, long, string, writer_of
from watcher.messages.serializations.avro_schemas import JSON, STRINGS
from watcher.messages.serializations.template import COMPILED, END_OF_TEXT, OUTERMOST
from watcher.model import Message

if COMPILED:
    from watcher.messages.serializations._bson_json import fill, template

KINDS = [
    (schema, is_json)
    for plain in (JSON, "string", "long", STRINGS)
    for schema in (plain, ["null", plain])
    for is_json in ((False, True) if plain == "string" else (False,))
]
"""All kinds of columns: a schema, and True for one that gets JSON text."""

FORMATS = {"generic": "plain", **ENVELOPES}
ALL = pytest.mark.parametrize("envelope", FORMATS)
NATIVE = pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])
CASES = {one["name"]: one for one in cases()}
PLACES = TopicPlaces("database.update", "dashboard", "users", schema_of=AVRO_SCHEMAS.__getitem__)


def written(envelope: str, one: dict[str, Any], serialization: str, *, native: bool = True) -> list[Message]:
    made = encoder(native=native, envelope=envelope, serialization=serialization, json_format=FORMATS[envelope], kafka_headers=True)

    def limit_of(topic: str) -> int:
        return ROOM if topic == CONTROL_TOPIC else int(one["limit"])

    return made.messages_for(bytes.fromhex(one["event"]), SEQUENCE, limit_of, one["missing"])


def read(message: Message) -> dict[str, Any]:
    return decode(message.key, message.value, message.headers, topic=message.topic, time_ms=message.timestamp_ms, places=PLACES)


def by_fastavro(data: bytes) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(data[5:]), fastavro.parse_schema(schema_of(data)))


def schema_of(data: bytes) -> Any:
    zero, number = struct.unpack(">bI", data[:5])
    assert zero == 0
    return AVRO_SCHEMAS[number]


@ALL
@NATIVE
@pytest.mark.parametrize("name", [name for name, one in CASES.items() if one["limit"] == ROOM])
def test_says_what_json_says(envelope: str, native: bool, name: str) -> None:
    json, avro = (written(envelope, CASES[name], serialization, native=native) for serialization in ("json", "avro"))
    assert [read(message) for message in avro] == [read(message) for message in json]
    for theirs, ours in zip(json, avro, strict=True):
        assert ours._replace(key=theirs.key, value=theirs.value) == theirs
        assert (ours.value is None) == (theirs.value is None)


@pytest.mark.parametrize("envelope", ["generic", "debezium"])
def test_a_message_that_is_too_large_loses_its_pre_image(envelope: str) -> None:
    one = CASES["a delete with its pre-image"]
    whole = written(envelope, one, "avro")[0]
    reduced, letter, *_ = written(envelope, {**one, "limit": whole.size - 1}, "avro")
    assert "fullDocumentBeforeChange" in read(whole)
    assert "fullDocumentBeforeChange" not in read(reduced)
    assert read(letter)["truncated"] == ["fullDocumentBeforeChange"]


@ALL
def test_c_makes_the_same_bytes(envelope: str) -> None:
    for one in CASES.values():
        assert written(envelope, one, "avro", native=True) == written(envelope, one, "avro", native=False)


@NEEDS_C
@ALL
def test_c_makes_the_common_ones(envelope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.messages.serializations.avro._Record.written", lambda *_: pytest.fail("made in Python"))
    for name in (
        "recorded insert",
        "recorded replace",
        "recorded delete",
        "recorded update",
        "an update that removes nothing",
        "in a transaction",
    ):
        written(envelope, CASES[name], "avro")


@ALL
def test_others_read_it(envelope: str) -> None:
    for one in CASES.values():
        for message in written(envelope, one, "avro"):
            assert by_fastavro(message.key or b"")
            assert message.value is None or by_fastavro(message.value)


@ALL
@NATIVE
@settings(deadline=None, max_examples=25)
@given(document=documents, before=st.none() | documents)
def test_any_document_is_read_again(envelope: str, native: bool, document: dict[str, Any], before: dict[str, Any] | None) -> None:
    fields = {"fullDocument": document, "fullDocumentBeforeChange": before, "updateDescription": {"updatedFields": document}}
    one = {"event": bson.encode(change("update", **fields)).hex(), "limit": ROOM, "missing": []}
    [json], [avro] = (written(envelope, one, serialization, native=native) for serialization in ("json", "avro"))
    assert repr(read(avro)) == repr(read(json))  # NaN is not equal to itself


def test_a_document_that_holds_zero_bytes_stays_whole() -> None:
    document = {"_id": USER_ID, "text": "a\0b\\\0", "bytes": Binary(b"\0\0"), "\u0001": "\0"}
    one = {"event": bson.encode(change("insert", {"_id": "\0"}, fullDocument=document)).hex(), "limit": ROOM, "missing": []}
    for envelope in FORMATS:
        [json], [avro] = (written(envelope, one, serialization) for serialization in ("json", "avro"))
        assert read(avro) == read(json)


@pytest.mark.parametrize("envelope", FORMATS)
def test_control_messages_are_generic_in_every_envelope(envelope: str) -> None:
    fields: dict[str, Any] = {"reason": "lost", "from": None, "to": "2024-01-01T12:00:00.000Z"}
    json, avro = (
        encoder(envelope=envelope, serialization=serialization).control("gap", timestamp_ms=0, sequence=9, **fields)
        for serialization in ("json", "avro")
    )
    assert schema_of(avro.value or b"")["name"] == "Message"
    assert read(avro) == read(json)


def test_a_null_document_is_not_an_absent_one() -> None:
    gone, absent = (bson.encode(change("update", **fields)) for fields in ({"fullDocument": None}, {}))
    avro = encoder(serialization="avro")
    assert by_fastavro(avro.encode(gone, 1).value or b"")["fullDocument"] == "null"
    assert by_fastavro(avro.encode(absent, 1).value or b"")["fullDocument"] is None


@NATIVE
def test_an_event_without_its_document_is_refused(native: bool) -> None:
    event = bson.encode(change("insert"))
    with pytest.raises(UndeliverableEvent, match=r"dashboard\.users"):
        encoder(native=native, envelope="document", serialization="avro").encode(event, 1)


def test_a_cloud_event_tells_its_media_type() -> None:
    message = encoder(serialization="avro", cloudevents=True).encode(bson.encode(change("delete")), 1)
    assert dict(message.headers or ())["content-type"] == b"application/avro"


@given(number=st.integers(-(2**63), 2**63 - 1))
def test_numbers(number: int) -> None:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, "long", number)
    assert long(number) == written.getvalue()


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4095, 4096, 8191, 8192, 100_000])
def test_texts_of_any_length(size: int) -> None:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, "string", "x" * size)
    assert string(b"x" * size) == written.getvalue()


@pytest.mark.parametrize("text", [b"", b"null", b"7"])
def test_a_string_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises((LookupError, AttributeError)):
        writer_of("string")(text)


def damaged() -> list[bytes]:
    value = encoder(serialization="avro").encode(bson.encode(change("delete")), 1).value or b""
    return [value[:end] for end in range(1, len(value))] + [value + b"\0", value[:4] + b"\x63" + value[5:]]


@pytest.mark.parametrize("value", damaged())
def test_damaged_records_are_no_messages(value: bytes) -> None:
    with pytest.raises(UnknownMessage, match="Avro"):
        decode(None, value, [], places=PLACES)


@given(data=st.binary(max_size=60), number=st.integers(0, len(AVRO_SCHEMAS) - 1))
def test_any_bytes_are_a_message_or_none(data: bytes, number: int) -> None:
    with contextlib.suppress(UnknownMessage):
        decode(None, struct.pack(">bI", 0, number) + data, [], places=PLACES)


def test_without_a_registry_avro_is_no_message() -> None:
    with pytest.raises(UnknownMessage, match="no schema registry is named"):
        decode(None, b"\0\0\0\0\1\2", [])


ANYTHING: dict[str, Any] = {
    "type": "record",
    "name": "Anything",
    "namespace": "test",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "float"},
        {"name": "large", "type": "double"},
        {"name": "data", "type": "bytes"},
        {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 2}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "map", "type": {"type": "map", "values": ["null", "Kind"]}},
        {"name": "next", "type": ["null", "Anything"]},
    ],
}


def test_all_of_avro_is_read() -> None:
    inner = {
        "flag": True,
        "small": 0.5,
        "large": 0.1,
        "data": b"\1",
        "four": b"ab",
        "kind": "B",
        "map": {"x": None, "y": "A"},
        "next": None,
    }
    written = io.BytesIO(b"\0\0\0\0\0")
    written.seek(5)
    fastavro.schemaless_writer(written, fastavro.parse_schema(ANYTHING), {**inner, "next": inner})
    found = content_of(written.getvalue(), lambda _: ANYTHING)
    told = {**inner, "data": "01", "four": "6162"}
    assert found == {**told, "next": told}


ARRAYS = [b"[]", b'["a","b c"]', b'["a",]', b'["a" ]', b'["a\\"b"]', b'[""', b'["a"]]', b'["a"b]', '["ü"]'.encode()]
TEXTS = st.sampled_from(
    [b"", b"null", b"{}", b'"a\\"b"', b'"plain"', b'"', b"7", b"-1", b"9" * 18, b"1" * 19, b"9" * 19, b"-", b"1.5", *ARRAYS]
) | st.binary(max_size=6).filter(lambda text: b"\0" not in text)


def record_by_c(records: tuple[Any, ...], columns: bytes) -> bytes | None:
    """The record that C makes of columns, or None if it leaves them to Python."""
    places = ((OUTERMOST, b"type", 2, False), (OUTERMOST, b"at", 9, False))
    steps = ((columns, END_OF_TEXT, 0), (b"null", END_OF_TEXT, 0))
    made = template(Message, places, 0, (0, 0, 1), (("x", -1, 1, steps, (), 0),), records)
    event = bson.encode({"type": "x", "at": DatetimeMS(0)})
    messages, *_ = fill(made, [event], 0, 1, 1, 1, lambda *_: ("topic", ROOM, b"", b""))
    return messages[0].key if messages else None


@NEEDS_C
@settings(max_examples=300)
@given(texts=st.lists(TEXTS, min_size=len(KINDS), max_size=len(KINDS)))
def test_c_encodes_any_column_as_python_does_or_not_at_all(texts: list[bytes]) -> None:
    for (schema, is_json), text in zip(KINDS, texts, strict=True):
        made = record_by_c(((kind_of(schema, is_json=is_json), (b"<", b">")),), b"0\0" + text + b"\0")
        if made is not None:
            assert made == b"<" + writer_of(schema, is_json=is_json)(text) + b">"


@NEEDS_C
@given(strings=st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters='"\\'), max_size=200)))
def test_c_encodes_arrays_of_plain_strings(strings: list[str]) -> None:
    text = orjson.dumps(strings)
    for schema in (STRINGS, ["null", STRINGS]):
        assert record_by_c(((kind_of(schema), (b"", b"")),), b"0\0" + text + b"\0") == writer_of(schema)(text)


@NEEDS_C
def test_c_leaves_to_python_what_are_not_its_columns() -> None:
    records = ((b"j", (b"", b"")), (b"jJ", (b"<", b"", b"")))
    assert record_by_c(records, b"1\0a\0b\0") == b"<\2a\2\2b"
    for columns in (b"1", b"1\0a\0", b"1\0a\0b\0c\0", b"1\0a\0b", b"2\0a\0b\0", b"99999999999\0a\0b\0", b"x\0a\0b\0"):
        assert record_by_c(records, columns) is None


@NEEDS_C
@ALL
def test_a_batch_is_what_its_events_are_one_by_one(envelope: str) -> None:
    events = [bytes.fromhex(one["event"]) for one in CASES.values() if one["limit"] == ROOM and not one["missing"]]
    native, python = (
        encoder(native=native, envelope=envelope, serialization="avro", json_format=FORMATS[envelope]) for native in (True, False)
    )
    made: list[Message] = []
    done = 0
    while done < len(events):
        messages, count, size = native.next_messages(events, done, len(events), len(made) + 1, lambda _: ROOM, ROOM)
        assert size == sum(len(message.value or b"") for message in messages)
        made += messages
        done += count
    one_by_one: list[Message] = []
    for event in events:
        one_by_one += python.messages_for(event, len(one_by_one) + 1, lambda _: ROOM)
    assert made == one_by_one
