"""One document is one to `verify`, whatever the type of its `_id`, and whatever the envelope of its messages."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden_envelopes import ENVELOPES
from tests.unit.change_events import change, encoder
from tests.unit.random_bson import scalars, values
from watcher.decoding.decoder import decode
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.verification.keys import KeyForm, is_certain, possible_ids
from watcher.verification.state import ABSENT, digest_of
from watcher.verification.topics import states_of

UUID = Binary(bytes(range(16)), 4)
IDS: dict[str, Any] = {
    "int32": 5, "int64": Int64(5), "large int64": Int64(2**60), "double": 2.5, "whole double": 7.0, "NaN": float("nan"),
    "infinity": float("inf"), "text": "ä", "ObjectId": ObjectId("65f0c1a2b3c4d5e6f7a8b9c0"), "null": None, "boolean": True,
    "UUID": UUID, "old UUID": Binary(bytes(16), 3), "binary": b"abc", "binary of a user's subtype": Binary(b"abc", 128),
    "subtype 4 of another size": Binary(b"abc", 4), "date": DatetimeMS(1_704_110_400_120), "date before 1970": DatetimeMS(-1),
    "date in year 10000": DatetimeMS(253_402_300_800_000), "date in year 0": DatetimeMS(-62_167_219_200_000),
    "date in year -1": DatetimeMS(-62_167_219_200_001), "latest date": DatetimeMS(2**63 - 1), "decimal": Decimal128("1.10"),
    "timestamp": Timestamp(1, 2), "minKey": MinKey(), "maxKey": MaxKey(), "code": Code("f()"), "DBRef": DBRef("users", 7),
    "object": {"n": Int64(5), "at": DatetimeMS(0), "uuid": UUID, "deep": [{"x": Int64(1)}, 1.0, None]},
    "object in another order": {"b": 1, "a": DatetimeMS(253_402_300_800_000)},
}  # fmt: skip
FORMS = [("generic", "plain"), ("generic", "extended"), ("generic", "strict"), ("mongodb", "canonical"), *ENVELOPES.items()]


def told(envelope: str, json_format: str, operation: str, id_: Any, **fields: Any) -> list[tuple[bytes, bytes | None]]:
    """The states that `verify` takes from the message about one change."""
    event = bson.encode(change(operation, {"_id": id_}, **fields))
    message = encoder(envelope=envelope, json_format=json_format).encode(event, 1)
    headers = [(name, value) for name, value in message.headers or ()]
    return states_of(decode(message.key, message.value, headers), KeyForm(json_format, envelope))


def assert_is_one(envelope: str, json_format: str, id_: Any) -> None:
    raw = bson.encode({"_id": id_, "name": "Ada"})
    document, form = (
        bson.decode(raw, bson.CodecOptions(datetime_conversion=bson.DatetimeConversion.DATETIME_MS)),
        DIALECTS[json_format],
    )
    update = {"updatedFields": {"name": "Ada"}, "removedFields": [], "truncatedArrays": []}
    key, digest = KeyForm(json_format, envelope).of_document(raw), digest_of(form.dumps(form.decode(raw)))
    for operation, fields in (("insert", {}), ("update", {"updateDescription": update}), ("replace", {})):
        assert told(envelope, json_format, operation, id_, fullDocument=document, **fields) == [(key, digest)], operation
    assert told(envelope, json_format, "delete", id_) == [(key, ABSENT)]


@pytest.mark.parametrize(("envelope", "json_format"), FORMS)
@pytest.mark.parametrize("name", IDS)
def test_all_messages_about_a_document_are_about_one(envelope: str, json_format: str, name: str) -> None:
    assert_is_one(envelope, json_format, IDS[name])


@pytest.mark.parametrize(("envelope", "json_format"), FORMS)
@settings(deadline=None, max_examples=40)
@given(id_=st.one_of(scalars, st.dictionaries(st.sampled_from("abc"), values, max_size=3)))
def test_whatever_the_id(envelope: str, json_format: str, id_: Any) -> None:
    assert_is_one(envelope, json_format, id_)


BEYOND_PLAIN = {"latest date", "timestamp", "minKey", "maxKey", "code", "object", "object in another order", "DBRef"}
"""Of these the plain dialect does not keep the type, and `is_certain` says so."""


@pytest.mark.parametrize(("envelope", "json_format"), FORMS)
@pytest.mark.parametrize("name", IDS)
def test_a_document_is_found_again_by_its_key(envelope: str, json_format: str, name: str) -> None:
    key = KeyForm(json_format, envelope).of_document(bson.encode({"_id": IDS[name]}))
    assert is_certain(key, json_format) or (json_format == "plain" and name in BEYOND_PLAIN | {"null", "NaN", "infinity"})
    if json_format != "plain" or name not in BEYOND_PLAIN:
        assert repr(comparable(IDS[name])) in [repr(comparable(id_)) for id_ in possible_ids(key, json_format)]


def comparable(value: Any) -> Any:
    """The value as MongoDB compares it: the type of an integer does not count, nor that of binary data in Python."""
    match value:
        case dict():
            return {name: comparable(each) for name, each in value.items()}
        case list():
            return [comparable(each) for each in value]
        case bool() | None | str():
            return value
        case int():
            return int(value)
        case bytes():
            return bytes(value), getattr(value, "subtype", 0)
        case _:
            return value


def test_a_key_that_looks_like_a_type_that_it_is_not() -> None:
    assert possible_ids(b'{"a":{"$oid":"x"}}', "strict") == []
    assert not is_certain(b'{"a":{"$oid":"x"}}', "strict")
    assert KeyForm("strict", "debezium").of_message({"a": {"$oid": "x"}}) == b'{"a":{"$oid":"x"}}'
