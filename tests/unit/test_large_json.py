"""Large documents, piece by piece: the same text as at once. test_large_json_lock.py tests that no other thread waits for long."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Code, DBRef, ObjectId
from bson.errors import InvalidBSON
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wide_documents import field, flat, insert, nested
from tests.unit.bson_types import TYPES, raw_document
from tests.unit.change_events import change, encoder
from tests.unit.random_bson import documents, values
from watcher.errors import UndeliverableEvent
from watcher.messages.serializations import large_json
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.large_json import LargeJson

BOTH = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
pieces = st.sampled_from([1, 12, 40, 200, 10_000])


def at_once(dialect: Any, document: bytes) -> bytes:
    text: bytes = dialect.dumps(bson.decode(document, dialect.codec))
    return text


def in_pieces(dialect: Any, document: bytes, size: int) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "PIECE", size)
        patch.setattr(large_json, "PIECE_OF_STRING", size)
        large = LargeJson(lambda data: bson.decode(data, dialect.codec), dialect.dumps)
        text: bytes = dialect.dumps(large.decode(document))
        return text


@BOTH
@settings(deadline=None)
@given(document=documents, size=pieces)
def test_any_document(dialect: Any, document: dict[str, Any], size: int) -> None:
    data = bson.encode(document)
    assert in_pieces(dialect, data, size) == at_once(dialect, data)


@BOTH
@settings(deadline=None)
@given(fields=st.lists(st.tuples(st.sampled_from(["$ref", "$id", "$db", "a", "b", "é"]), values), max_size=12), size=pieces)
def test_names_that_come_twice_and_what_may_be_a_dbref(dialect: Any, fields: list[tuple[str, Any]], size: int) -> None:
    elements = b"".join(bson.encode({name: value})[4:-1] for name, value in fields)
    for data in (raw_document(elements), raw_document(field(3, b"a", raw_document(elements))), flat([b"a"] * 5 + [b"b"])):
        assert in_pieces(dialect, data, size) == at_once(dialect, data)


@BOTH
@pytest.mark.parametrize("size", [1, 5, 100])
def test_every_type(dialect: Any, size: int) -> None:
    for sample in TYPES:
        for data in (sample.document, raw_document(field(3, b"x", sample.document)), raw_document(field(4, b"x", sample.document))):
            assert in_pieces(dialect, data, size) == at_once(dialect, data), sample.name


@BOTH
@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [[], {}, [{}]],
        Code("f()" * 30, {}),
        Code("f()", {"$ref": "c", "$id": 1, "x": Code("é" * 50)}),
        DBRef("c", ObjectId("65f0c1a2b3c4d5e6f7a8b9c0"), "db", more=1),
        {"$db": None, "x": 1, "$id": 2, "$ref": "c"},
        {"$db": 1, "$id": 2, "$ref": "c"},
        {"$id": 2, "$ref": 1},
        "é" * 300 + '\n\0"' * 100,
    ],
    ids=str,
)
def test_odd_values(dialect: Any, size: int, value: Any) -> None:
    data = bson.encode({"b": value, "a": {"a": value}})
    assert in_pieces(dialect, data, size) == at_once(dialect, data)


@BOTH
@settings(deadline=None, max_examples=300)
@given(document=documents, noise=st.binary(min_size=1, max_size=8), place=st.floats(0, 1), size=pieces)
def test_damaged_documents(dialect: Any, document: dict[str, Any], noise: bytes, place: float, size: int) -> None:
    """Never anything but what is made at once, or InvalidBSON; what is refused at once may pass where no piece shows the damage."""
    data = bson.encode(document)
    at = int(place * len(data))
    damaged = data[:at] + noise + data[at + len(noise) :]
    try:
        text = in_pieces(dialect, damaged, size)
    except InvalidBSON:
        with pytest.raises(InvalidBSON):
            at_once(dialect, damaged)
        return
    except (TypeError, LookupError):
        return
    try:
        expected = at_once(dialect, damaged)
    except (InvalidBSON, TypeError):
        return
    assert text == expected


def test_deeper_than_a_message_may_be() -> None:
    event = insert(nested(flat(b"f%d" % number for number in range(100_000)), 400))
    with pytest.raises(UndeliverableEvent):
        encoder(native=False).encode(event, 1)


def test_large_ids() -> None:
    """The key is the `_id` alone, however large it is, and the token holds it too."""
    id_ = {"a": "x" * 300_000, "b": [1] * 50_000}
    event = bson.encode({**change("insert", {"_id": id_}, fullDocument={"_id": id_}), "_id": {"_data": "82" * 300_000}})
    message = encoder(native=False).encode(event, 7)
    assert message == encoder().encode(event, 7)
    assert message.key == DIALECTS["plain"].dumps(id_)
