"""Change events become messages: fields and their order, key, topic, time, and what is done about odd events."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson import DatetimeMS, Int64, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.change_events import EVENT_ID, NOON_MS, USER_ID, change, encoder, recorded
from tests.unit.random_bson import documents, reference
from watcher.errors import ExitCode, UndeliverableEvent
from watcher.iso_time import LATEST_MS
from watcher.messages.dead_letters import FOR_KAFKA, FOR_MONGODB
from watcher.model import Message

DOCUMENT_KEY = {"_id": str(USER_ID)}
HEAD = ["operationType", "database", "collection", "documentKey", "timestamp"]
TAIL = ["eventId", "watcher", "sequence"]
RECORDED = recorded()


def message(event: dict[str, Any], sequence: int = 1, **message_format: Any) -> Message:
    return encoder(**message_format).encode(bson.encode(event), sequence)


def value(event: dict[str, Any], **message_format: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(message(event, **message_format).value)
    return fields


@pytest.mark.parametrize(
    ("operation", "topic", "fields"),
    [
        ("insert", "database.insert", [*HEAD, "fullDocument", *TAIL]),
        ("update", "database.update", [*HEAD, "fullDocument", "updateDescription", *TAIL]),
        ("replace", "database.update", [*HEAD, "fullDocument", *TAIL]),
        ("delete", "database.delete", [*HEAD, *TAIL]),
        ("drop", "database.control", ["operationType", "database", "collection", "timestamp", *TAIL]),
        ("rename", "database.control", ["operationType", "database", "collection", "to", "timestamp", *TAIL]),
        ("dropDatabase", "database.control", ["operationType", "database", "timestamp", *TAIL]),
        ("invalidate", "database.control", ["operationType", "database", "timestamp", *TAIL]),
    ],
)
def test_what_a_server_sent(operation: str, topic: str, fields: list[str]) -> None:
    result = encoder().encode(RECORDED[operation], 7)
    event = bson.decode(RECORDED[operation])
    written = json.loads(result.value)
    assert list(written) == fields
    assert (result.topic, result.operation, written["operationType"]) == (topic, operation, operation)
    assert (written["database"], written["watcher"], written["sequence"]) == ("dashboard", "dashboard-watcher", 7)
    assert written["eventId"] == event["_id"]["_data"]
    assert result.timestamp_ms == int(DatetimeMS(event["wallTime"]))


def test_an_update_in_full() -> None:
    before, after = {"_id": USER_ID, "n": 1}, {"_id": USER_ID, "n": 2}
    update = {"updatedFields": {"n": 2}, "removedFields": [], "truncatedArrays": []}
    event = change("update", updateDescription=update, fullDocumentBeforeChange=before, fullDocument=after)
    written = value(event)
    assert list(written) == [*HEAD, "fullDocument", "fullDocumentBeforeChange", "updateDescription", *TAIL]
    assert written == {
        "operationType": "update",
        "database": "dashboard",
        "collection": "users",
        "documentKey": DOCUMENT_KEY,
        "timestamp": "2024-01-01T12:00:00.000Z",
        "fullDocument": {**DOCUMENT_KEY, "n": 2},
        "fullDocumentBeforeChange": {**DOCUMENT_KEY, "n": 1},
        "updateDescription": update,
        "eventId": EVENT_ID,
        "watcher": "dashboard-watcher",
        "sequence": 1,
    }


@pytest.mark.parametrize("json_format", ["plain", "extended"])
def test_a_document_of_a_snapshot_ends_with_the_snapshots_id(json_format: str) -> None:
    event = change("insert", _id={"_data": "s1.17"}, fullDocument={"_id": USER_ID}, snapshot="s1")
    written = value(event, json_format=json_format)
    assert list(written) == [*HEAD, "fullDocument", *TAIL, "snapshot"]
    assert (written["eventId"], written["snapshot"]) == ("s1.17", "s1")


def test_a_large_document_of_a_snapshot_says_last_what_it_lacks() -> None:
    event = bson.encode(change("insert", fullDocument={"x": "a" * 5_000}, snapshot="s1"))
    row, _ = encoder().reduced(event, 5, at_most(1_000))
    assert list(json.loads(row.value)) == [*HEAD, *TAIL, "snapshot", "truncated"]


DOCUMENT = {"_id": USER_ID, "a": 1}
WHOLE: dict[str, dict[str, Any]] = {
    "insert": {"fullDocument": DOCUMENT},
    "update": {
        "fullDocument": DOCUMENT,
        "fullDocumentBeforeChange": DOCUMENT,
        "updateDescription": {"updatedFields": {"a": 1}, "removedFields": ["b"], "truncatedArrays": [{"field": "c", "newSize": 1}]},
    },
    "replace": {"fullDocument": DOCUMENT, "fullDocumentBeforeChange": DOCUMENT},
    "delete": {"fullDocumentBeforeChange": DOCUMENT},
}
"""The fields of changes that a stage of the user's may remove or replace, by operation."""

FORMS = [(envelope, form) for envelope in ("generic", "document", "debezium", "mongodb") for form in ("json", "avro")]


@pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])
@pytest.mark.parametrize(("envelope", "serialization"), FORMS)
@pytest.mark.parametrize("operation", WHOLE)
def test_any_field_may_be_removed_by_a_stage(operation: str, envelope: Any, serialization: Any, native: bool) -> None:
    for name in WHOLE[operation]:
        event = change(operation, **{field: kept for field, kept in WHOLE[operation].items() if field != name})
        reshaping = encoder(native=native, envelope=envelope, serialization=serialization, is_reshaped=True)
        [made, *_] = reshaping.messages_for(bson.encode(event), 1, lambda _topic: 1_000_000)
        assert made.operation == operation
        is_gone = envelope == "document" and (name == "fullDocument" or operation == "delete")
        assert (made.value is None) == is_gone


@pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])
@pytest.mark.parametrize(("envelope", "serialization"), FORMS)
@pytest.mark.parametrize("operation", WHOLE)
def test_what_a_stage_puts_into_a_field_is_a_message_or_put_aside(
    operation: str, envelope: Any, serialization: Any, native: bool
) -> None:
    fields = {**WHOLE[operation], "lsid": {"id": b""}, "txnNumber": 5}
    for name, other in itertools.product(fields, (None, 5, "text", [1], {"b": 1})):
        event = bson.encode(change(operation, **{**fields, name: other}))
        form = {"native": native, "envelope": envelope, "serialization": serialization, "is_reshaped": True}
        [made, *_] = encoder(**form, puts_aside=True).messages_for(event, 1, lambda _topic: 1_000_000)
        assert made.operation in (operation, "deadLetter")
        if made.operation == "deadLetter":
            assert made.reason == "pipeline_failed"
            with pytest.raises(UndeliverableEvent) as caught:
                encoder(**form).messages_for(event, 1, lambda _topic: 1_000_000)
            assert "stages of `pipeline`" in caught.value.hint


@pytest.mark.parametrize("missing", [(), ("fullDocument",)], ids=["whole", "reduced"])
@pytest.mark.parametrize("damage", [{"to": 5}, {"ns": 5}])
def test_a_control_event_that_is_no_message_is_not_put_aside(damage: dict[str, Any], missing: tuple[str, ...]) -> None:
    """Stages never see it, and consumers would not hear of the rename."""
    damaged = bson.encode(change("rename", **{"to": {"db": "dashboard", "coll": "people"}, **damage}))
    with pytest.raises(UndeliverableEvent, match="cannot be read") as caught:
        encoder(is_reshaped=True, puts_aside=True).messages_for(damaged, 1, lambda _topic: 1_000_000, missing)
    assert "stages of `pipeline`" not in caught.value.hint


def test_a_dead_letter_that_cannot_be_made_blames_the_stages() -> None:
    event = change("insert")
    del event["_id"]
    with pytest.raises(UndeliverableEvent) as caught:
        encoder(is_reshaped=True).dead_letters_for(bson.encode(event), 1)
    assert "stages of `pipeline`" in caught.value.hint


def test_a_document_gone_at_lookup_stays_null() -> None:
    assert value(change("update", fullDocument=None))["fullDocument"] is None


@pytest.mark.parametrize(
    ("identity", "plain", "extended"),
    [
        (USER_ID, f'"{USER_ID}"', f'{{"$oid":"{USER_ID}"}}'),
        ("ada", '"ada"', '"ada"'),
        (7, "7", "7"),
        (Int64(2**53 + 1), "9007199254740993", "9007199254740993"),
        (1.5, "1.5", "1.5"),
        ({"a": 1, "b": USER_ID}, f'{{"a":1,"b":"{USER_ID}"}}', f'{{"a":1,"b":{{"$oid":"{USER_ID}"}}}}'),
        (None, "null", "null"),
    ],
)
def test_key(identity: object, plain: str, extended: str) -> None:
    event = change("delete", {"_id": identity})
    assert message(event).key == plain.encode()
    assert message(event, json_format="extended").key == extended.encode()


def test_a_sharded_collections_key_is_the_id_alone() -> None:
    result = message(change("delete", {"tenant": 3, "_id": "ada"}))
    assert result.key == b'"ada"'
    assert json.loads(result.value)["documentKey"] == {"tenant": 3, "_id": "ada"}


@pytest.mark.parametrize(
    ("ms", "timestamp", "kafka_ms"),
    [
        (NOON_MS + 5, "2024-01-01T12:00:00.005Z", NOON_MS + 5),
        (-1, "1969-12-31T23:59:59.999Z", 0),
        (LATEST_MS + 1, None, LATEST_MS),
    ],
)
def test_times(ms: int, timestamp: str | None, kafka_ms: int) -> None:
    result = message(change("delete", wallTime=DatetimeMS(ms)))
    assert json.loads(result.value)["timestamp"] == timestamp
    assert result.timestamp_ms == kafka_ms


def test_servers_without_wall_time() -> None:
    event = change("delete", clusterTime=Timestamp(NOON_MS // 1000 + 1, 9))
    del event["wallTime"]
    result = message(event)
    assert json.loads(result.value)["timestamp"] == "2024-01-01T12:00:01.000Z"
    assert result.timestamp_ms == NOON_MS + 1000


@pytest.mark.parametrize("json_format", ["plain", "extended"])
def test_the_envelope_is_the_same_in_both_dialects(json_format: str) -> None:
    written = value(change("insert", fullDocument={"_id": USER_ID}), json_format=json_format)
    del written["documentKey"], written["fullDocument"]
    assert written == {
        "operationType": "insert",
        "database": "dashboard",
        "collection": "users",
        "timestamp": "2024-01-01T12:00:00.000Z",
        "eventId": EVENT_ID,
        "watcher": "dashboard-watcher",
        "sequence": 1,
    }


def test_extended_covers_document_key_and_update() -> None:
    update = {"updatedFields": {"owner": USER_ID}, "removedFields": []}
    written = value(change("update", fullDocument={"_id": USER_ID}, updateDescription=update), json_format="extended")
    oid = {"$oid": str(USER_ID)}
    assert written["documentKey"] == written["fullDocument"] == {"_id": oid}
    assert written["updateDescription"]["updatedFields"] == {"owner": oid}


def test_topics_by_template() -> None:
    templates = {
        "topic_insert": "{database}.{collection}",
        "topic_update": "{operation}s",
        "topic_control": "{database}-{operation}",
    }
    topics = {operation: encoder(**templates).encode(event, 1).topic for operation, event in RECORDED.items()}
    assert topics == {
        "insert": "dashboard.users",
        "update": "updates",
        "replace": "replaces",
        "delete": "database.delete",
        "rename": "dashboard-rename",
        "drop": "dashboard-drop",
        "dropDatabase": "dashboard-dropDatabase",
        "invalidate": "dashboard-invalidate",
    }


@pytest.mark.parametrize("operation", ["drop", "rename", "dropDatabase", "invalidate"])
def test_control_messages_have_the_database_as_key(operation: str) -> None:
    assert encoder().encode(RECORDED[operation], 1).key == b'"dashboard"'


def test_rename_says_to_what() -> None:
    written = json.loads(encoder().encode(RECORDED["rename"], 1).value)
    assert (written["collection"], written["to"]) == ("users", {"database": "dashboard", "collection": "members"})


def test_a_control_message_of_our_own() -> None:
    result = encoder().control("gap", timestamp_ms=NOON_MS, sequence=9, reason="lost", owner=USER_ID)
    assert result == Message(
        "database.control",
        b'"dashboard"',
        b'{"operationType":"gap","database":"dashboard","timestamp":"2024-01-01T12:00:00.000Z","reason":"lost",'
        b'"owner":"65f0c1a2b3c4d5e6f7a8b9c0","watcher":"dashboard-watcher","sequence":9}',
        NOON_MS,
        "gap",
        database="dashboard",
    )


def test_a_control_message_about_one_event() -> None:
    written = json.loads(
        encoder().control("deadLetter", timestamp_ms=NOON_MS, sequence=9, collection="users", event_id="82", reason="r").value
    )
    assert list(written) == ["operationType", "database", "collection", "timestamp", "reason", "eventId", "watcher", "sequence"]


def at_most(limit: int) -> Callable[[str], int]:
    return lambda topic: limit


def large_update(before: int, after: int, updated: int) -> bytes:
    return bson.encode(
        change(
            "update",
            fullDocument={"x": "a" * after},
            fullDocumentBeforeChange={"x": "b" * before},
            updateDescription={"updatedFields": {"x": "c" * updated}, "removedFields": []},
        )
    )


@pytest.mark.parametrize(
    ("sizes", "truncated"),
    [
        ((5_000, 10, 10), ["fullDocumentBeforeChange"]),
        ((10, 5_000, 10), ["fullDocumentBeforeChange", "fullDocument"]),
        ((10, 10, 5_000), ["fullDocumentBeforeChange", "fullDocument", "updateDescription"]),
    ],
)
def test_a_large_message_loses_what_it_must(sizes: tuple[int, int, int], truncated: list[str]) -> None:
    event = large_update(*sizes)
    row, dead_letter = encoder().reduced(event, 5, at_most(1_000))
    whole = json.loads(encoder().encode(event, 5).value)
    expected = {name: field for name, field in whole.items() if name not in truncated} | {"truncated": truncated}
    assert json.loads(row.value) == expected
    assert list(json.loads(row.value)) == list(expected)
    assert row._replace(value=b"") == encoder().encode(event, 5)._replace(value=b"")
    assert json.loads(dead_letter.value)["truncated"] == truncated


def test_a_dead_letter_tells_of_the_message_before_it() -> None:
    event = bson.encode(change("insert", fullDocument={"x": "a" * 5_000}))
    row, dead_letter = encoder().reduced(event, 5, at_most(1_000), size=5_432)
    assert json.loads(row.value)["truncated"] == ["fullDocument"]
    assert (dead_letter.topic, dead_letter.operation) == ("database.control", "deadLetter")
    assert (row.reason, dead_letter.reason) == ("", FOR_KAFKA)
    assert json.loads(dead_letter.value) == {
        "operationType": "deadLetter",
        "database": "dashboard",
        "collection": "users",
        "timestamp": "2024-01-01T12:00:00.000Z",
        "reason": "The message was too large for Kafka.",
        "about": {"operationType": "insert", "eventId": EVENT_ID, "documentKey": DOCUMENT_KEY, "sequence": 5},
        "bytes": 5_432,
        "truncated": ["fullDocument"],
        "watcher": "dashboard-watcher",
        "sequence": 6,
    }


@pytest.mark.parametrize("fields", [{"fullDocument": {"x": "a" * 5_000}}, {"fullDocument": None}, {}])
def test_when_not_even_the_key_fits_the_dead_letter_comes_alone(fields: dict[str, Any]) -> None:
    event = bson.encode(change("update", {"_id": "k" * 5_000}, **fields))
    (dead_letter,) = encoder().reduced(event, 5, at_most(1_000))
    written = json.loads(dead_letter.value)
    assert written["about"] == {"operationType": "update", "eventId": EVENT_ID}
    assert written["sequence"] == 5
    assert "truncated" not in written
    assert dead_letter.size <= 1_000


def test_what_mongodb_left_out_is_told() -> None:
    event = bson.encode(change("update", updateDescription={"updatedFields": {"n": 1}}))
    row, dead_letter = encoder().reduced(event, 5, at_most(1_000), ["fullDocument"])
    assert json.loads(row.value)["updateDescription"] == {"updatedFields": {"n": 1}}
    assert json.loads(row.value)["truncated"] == json.loads(dead_letter.value)["truncated"] == ["fullDocument"]
    assert json.loads(dead_letter.value)["reason"] == "The change event was too large for MongoDB."
    assert dead_letter.reason == FOR_MONGODB
    assert "bytes" not in json.loads(dead_letter.value)


def test_what_mongodb_left_out_may_not_be_enough_for_kafka() -> None:
    event = bson.encode(change("update", updateDescription={"updatedFields": {"text": "a" * 5_000}}))
    row, _ = encoder().reduced(event, 5, at_most(1_000), ["fullDocument"])
    assert json.loads(row.value)["truncated"] == ["fullDocument", "updateDescription"]
    assert row.size <= 1_000


def test_an_event_that_is_no_row_change_lacks_nothing() -> None:
    (message,) = encoder().reduced(bson.encode(change("drop")), 5, at_most(1_000), ["fullDocument"])
    assert message == encoder().encode(bson.encode(change("drop")), 5)


def corrupt(event: dict[str, Any], good: bytes, bad: bytes) -> bytes:
    raw = bson.encode(event)
    assert raw.count(good) == 1
    return raw.replace(good, bad)


def test_a_corrupt_document_is_named() -> None:
    event = corrupt(change("insert", fullDocument={"flag": True}), b"\x08flag\0\x01", b"\x08flag\0\x07")
    with pytest.raises(UndeliverableEvent, match=r"dashboard\.users") as caught:
        encoder().encode(event, 1)
    assert f'{{"_id":"{USER_ID}"}}' in str(caught.value)
    assert caught.value.exit_code is ExitCode.UNDELIVERABLE
    assert caught.value.hint


def test_a_corrupt_document_is_named_when_reduced_too() -> None:
    event = corrupt(change("insert", fullDocument={"flag": True}), b"\x08flag\0\x01", b"\x08flag\0\x07")
    with pytest.raises(UndeliverableEvent, match=r"dashboard\.users"):
        encoder().reduced(event, 1, at_most(1_000))


@pytest.mark.parametrize(
    "event", [b"", b"\x05\0\0\0", bson.encode({}), bson.encode(change("insert"))[:-20], bson.encode({"operationType": "insert"})]
)
def test_what_is_no_change_event(event: bytes) -> None:
    with pytest.raises(UndeliverableEvent, match="unknown document"):
        encoder().encode(event, 1)


@pytest.mark.parametrize("operation", RECORDED)
def test_a_damaged_byte_never_shows_as_a_bug(operation: str) -> None:
    chance = random.Random(operation)
    good = RECORDED[operation]
    for position in range(len(good)):
        damaged = good[:position] + chance.randbytes(1) + good[position + 1 :]
        with contextlib.suppress(UndeliverableEvent):
            json.loads(encoder().encode(damaged, 1).value)


def test_fields_of_another_type() -> None:
    with pytest.raises(UndeliverableEvent, match="unknown document"):
        message(change("insert", ns=5))


def test_nested_deeper_than_mongodb_allows() -> None:
    document: dict[str, Any] = {}
    for _ in range(300):
        document = {"a": document}
    with pytest.raises(UndeliverableEvent, match=r"dashboard\.users"):
        message(change("insert", fullDocument=document))


@settings(deadline=None)
@given(documents, documents, st.integers(1, 2**63), st.sampled_from(["plain", "extended"]))
def test_any_document_gives_the_same_envelope(
    document: dict[str, Any], updated: dict[str, Any], sequence: int, dialect: str
) -> None:
    event = change("update", fullDocument=document, updateDescription={"updatedFields": updated, "removedFields": list(updated)})
    written = json.loads(message(event, sequence, json_format=dialect).value)
    assert list(written) == [*HEAD, "fullDocument", "updateDescription", *TAIL]
    assert written["sequence"] == sequence
    if dialect == "plain":
        assert json.dumps(written["fullDocument"]) == json.dumps(reference(document))
        assert json.dumps(written["updateDescription"]["updatedFields"]) == json.dumps(reference(updated))
