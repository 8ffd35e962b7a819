"""`compare --connector`: messages of Debezium and MongoDB's connector against ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka import Message as Record

from tests.unit.bson_types import TYPES
from tests.unit.test_decoding import CHANGES, as_debezium, as_mongodb, generic, headers
from watcher.config.mongodb.scope import Scope
from watcher.decoding.plain_json import plain
from watcher.verification.old_side import ConnectorSide, NotOfOldSide
from watcher.verification.pairing import Told

SIDE = ConnectorSide("dbz", Scope("dashboard"))


def record(key: bytes | None, value: bytes | None, told: Any = None) -> Record:
    return Record(topic="dbz.dashboard.users", partition=0, offset=1, key=key, value=value, headers=told)


@pytest.mark.parametrize("name", [name for name in CHANGES if "snapshot" not in name])
@pytest.mark.parametrize("connector", [as_debezium, as_mongodb])
def test_both_sides_tell_the_same(connector: Any, name: str) -> None:
    (old,) = SIDE.told(record(*connector(generic(name))))
    (ours,) = SIDE.our_told(generic(name), 3)
    assert old == ours._replace(ours=0)
    assert isinstance(old, Told)
    assert (old.collection, old.key, old.topic) == ("users", "k", "dbz")


def in_schema(value: bytes) -> bytes:
    return json.dumps({"schema": {"type": "struct"}, "payload": json.loads(value)}).encode()


def text_in_schema(value: bytes) -> bytes:
    return json.dumps({"schema": {"type": "string", "optional": False}, "payload": value.decode()}).encode()


def as_text(value: bytes) -> bytes:
    return json.dumps(value.decode()).encode()


def in_the_connectors_schema(value: bytes) -> bytes:
    """As `output.format.value=schema` writes it: all fields, and documents as text."""
    event = dict.fromkeys(
        ("fullDocument", "fullDocumentBeforeChange", "to", "documentKey", "updateDescription", "lsid", "txnNumber")
    )
    event |= json.loads(value)
    del event["wallTime"]
    if update := event["updateDescription"]:
        event["updateDescription"] = update | {"updatedFields": json.dumps(update["updatedFields"])}
    for name in ("_id", "fullDocument", "fullDocumentBeforeChange", "documentKey", "clusterTime"):
        event[name] = event[name] and json.dumps(event[name])
    return json.dumps({"schema": {"type": "struct", "name": "ChangeStream"}, "payload": event}).encode()


@pytest.mark.parametrize("name", [name for name in CHANGES if "snapshot" not in name])
@pytest.mark.parametrize("converter", [in_schema, text_in_schema, as_text, in_the_connectors_schema])
def test_what_converters_put_around_an_event_of_mongodbs_connector(converter: Any, name: str) -> None:
    key, value = as_mongodb(generic(name))
    ((bare,), (wrapped,)) = SIDE.told(record(key, value)), SIDE.told(record(in_schema(key), converter(value)))
    assert wrapped._replace(time_ms=0) == bare._replace(time_ms=0)
    assert abs(wrapped.time_ms - bare.time_ms) < 1000  # that schema has no wallTime, and MongoDB's clusterTime counts seconds


@pytest.mark.parametrize("name", [name for name in CHANGES if "snapshot" not in name])
def test_debeziums_messages_with_schemas(name: str) -> None:
    key, value = as_debezium(generic(name))
    assert [*SIDE.told(record(in_schema(key), in_schema(value)))] == [*SIDE.told(record(key, value))]


def test_what_is_no_change_is_left_out() -> None:
    row = generic("insert by a snapshot")
    assert not list(SIDE.told(record(*as_debezium(row))))
    assert not list(SIDE.our_told(row, 1))
    assert not list(SIDE.told(record(b"{}", None)))
    assert not list(SIDE.told(record(b"{}", b'{"schema":null,"payload":null}')))
    assert not list(SIDE.our_told({**generic("insert"), "operationType": "drop"}, 1))
    assert not list(SIDE.our_told({**generic("insert"), "database": "other"}, 1))
    dropped = {"_id": {"_data": "82"}, "operationType": "drop", "ns": {"db": "dashboard", "coll": "users"}, "wallTime": 1}
    assert not list(SIDE.told(record(None, json.dumps(dropped).encode())))


def test_our_messages_in_the_connectors_topic_are_ours() -> None:
    key, value = as_debezium(generic("insert"))
    assert not list(SIDE.told(record(key, value, headers(generic("insert")))))


def test_what_no_connector_writes_is_unread() -> None:
    for value in (b"{", b"{}", b'"{"', b'"text"', b"[]", b'{"_id":"{","operationType":"insert"}'):
        with pytest.raises(NotOfOldSide):
            SIDE.told(record(b"{}", value))


def test_an_update_is_compared_by_what_it_changed() -> None:
    later = {**generic("update"), "fullDocument": {"_id": "k", "name": "Later"}}
    (old,), (ours,) = SIDE.told(record(*as_debezium(generic("update")))), SIDE.our_told(later, 0)
    assert old.values == ours.values == {"updateDescription": CHANGES["update"]["updateDescription"]}


@pytest.mark.parametrize("sample", TYPES, ids=lambda sample: sample.name)
def test_every_type_of_the_extended_dialect_becomes_the_plain_one(sample: Any) -> None:
    assert plain(json.loads(sample.extended)) == json.loads(sample.plain)
    assert plain(json.loads(sample.plain)) == json.loads(sample.plain)


@pytest.mark.parametrize(
    ("first_version", "expected"),
    [
        ({"$date": -1}, "1969-12-31T23:59:59.999Z"),
        ({"$binary": "YWJj", "$type": "00"}, "YWJj"),
        ({"$binary": "yO2rw/c4TKO2jauSqRR4ow==", "$type": "04"}, "c8edabc3-f738-4ca3-b68d-ab92a91478a3"),
        ({"$regex": "^a/b", "$options": "ix"}, {"$regularExpression": {"pattern": "^a/b", "options": "ix"}}),
        ({"$symbol": "red"}, "red"),
        ({"$undefined": True}, None),
        ({"$numberLong": "9007199254740993"}, 9007199254740993),
        ({"$numberInt": "7"}, 7),
        ({"$dbPointer": {"$ref": "users", "$id": {"$oid": "65"}}}, {"$ref": "users", "$id": "65"}),
        ({"a": [{"$oid": "65"}]}, {"a": ["65"]}),
        ({"$date": "no time"}, {"$date": "no time"}),
        ({"$other": 1}, {"$other": 1}),
        ("2024-01-01T12:00:00Z", "2024-01-01T12:00:00.000Z"),
        ("2024-01-01T12:00:00.12Z", "2024-01-01T12:00:00.120Z"),
    ],
)
def test_other_forms(first_version: Any, expected: Any) -> None:
    assert plain(first_version) == expected
