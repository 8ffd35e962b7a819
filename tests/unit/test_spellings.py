"""`tail --key` and the page's key: every natural way of writing an `_id` finds the messages about its document."""

from __future__ import annotations

import json
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden_envelopes import ENVELOPES
from tests.unit.change_events import change, encoder
from tests.unit.random_bson import scalars, values
from tests.unit.test_verification_keys import FORMS, IDS
from watcher.consumer.reading.filter import Filter
from watcher.decoding.decoder import decode
from watcher.messages.serializations.bson_json import DIALECTS

OID = "65f0c1a2b3c4d5e6f7a8b9c0"


def written(envelope: str, json_format: str, id_: Any) -> tuple[str, Any]:
    """The whole key of a delete, and the message as it is read."""
    message = encoder(envelope=envelope, json_format=json_format).encode(bson.encode(change("delete", {"_id": id_})), 1)
    return (message.key or b"").decode(), decode(message.key, message.value, [*(message.headers or ())])


def dialects_of(id_: Any) -> dict[str, str]:
    return {name: each.dumps(each.decode(bson.encode({"_id": id_}))["_id"]).decode() for name, each in DIALECTS.items()}


def assert_is_found(envelope: str, json_format: str, id_: Any) -> None:
    key, message = written(envelope, json_format, id_)
    assert Filter(key=key)(message), key
    assert Filter(key=f" {json.dumps(json.loads(key), indent=1)}")(message)
    for text in dialects_of(id_).values():
        assert Filter(key=text)(message), text
        assert Filter(key=json.dumps(json.loads(text)))(message), text
        if isinstance(bare := json.loads(text), str):
            assert Filter(key=bare)(message), bare
    assert not Filter(key="another")(message)


@pytest.mark.parametrize(("envelope", "json_format"), FORMS)
@pytest.mark.parametrize("name", IDS)
def test_every_type_in_every_dialect_and_spacing(envelope: str, json_format: str, name: str) -> None:
    assert_is_found(envelope, json_format, IDS[name])


@pytest.mark.parametrize("envelope", ENVELOPES)
@settings(deadline=None, max_examples=40)
@given(id_=st.one_of(scalars, st.dictionaries(st.sampled_from("abc"), values, max_size=3)).filter(lambda id_: id_ != "another"))
def test_whatever_the_id(envelope: str, id_: Any) -> None:
    assert_is_found(envelope, ENVELOPES[envelope], id_)


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize(
    ("id_", "text"),
    [
        ("ObjectId", OID), ("ObjectId", f'{{"$oid": "{OID}"}}'), ("ObjectId", f'"{OID}"'),
        ("int64", "5"), ("int64", "5.0"), ("int64", '{"$numberLong" : "5"}'), ("int32", '{"$numberInt":"5"}'),
        ("whole double", "7"), ("whole double", '{"$numberDouble": "7.0"}'), ("decimal", "1.10"),
        ("UUID", "00010203-0405-0607-0809-0a0b0c0d0e0f"), ("UUID", '{"$uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}'),
        ("date", "2024-01-01T12:00:00.120Z"), ("date", "2024-01-01T12:00:00.12Z"), ("date", '{"$date": 1704110400120}'),
        ("object in another order", '{"b": 1, "a": {"$date": 253402300800000}}'), ("null", "null"), ("boolean", "true"),
        ("ObjectId", json.dumps({"schema": {"type": "string"}, "payload": {"id": f'{{"$oid": "{OID}"}}'}})),
    ],
)  # fmt: skip
def test_by_hand(envelope: str, id_: str, text: str) -> None:
    assert Filter(key=text)(written(envelope, ENVELOPES[envelope], IDS[id_])[1])


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize(
    ("id_", "text"),
    [
        ("int64", "6"), ("int64", '"5"'), ("boolean", "1"), ("null", ""), ("object in another order", '{"a": 1, "b": 1}'),
        ("text", "{"), ("text", "[" * 100_000), ("int32", "9" * 5_000), ("text", "\ud800"), ("int64", '{"$numberLong": "9e9"}'),
        ("object", '{"_id": {}}'), ("object", '{"id": "{"}'), ("object", '{"id": null}'),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_another(envelope: str, id_: str, text: str) -> None:
    assert not Filter(key=text)(written(envelope, ENVELOPES[envelope], IDS[id_])[1])


def test_a_message_about_no_document() -> None:
    assert not Filter(key="null")({"operationType": "drop"})
    assert not Filter(key="null")({"operationType": "insert", "documentKey": {}})
