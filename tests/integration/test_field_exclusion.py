"""exclude_fields on a real server: what is excluded never leaves it, and everything else does, unchanged."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.excluding_streams import PADDING, SECRET, OpenStreams, events_to_end, with_pre_images
from tests.support.records import read_topics
from tests.support.worker import Inbox, Launch
from watcher.mongodb.errors import EventTooLarge
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.excluding_fixtures"]

Document = dict[str, Any]


@pytest.mark.parametrize(
    ("field", "document", "left"),
    [
        pytest.param("ssn", {"ssn": 1, "n": 2}, {"n": 2}, id="top"),
        pytest.param("ssn", {"ssn": {"a": [1]}, "n": 2}, {"n": 2}, id="with-all-in-it"),
        pytest.param("ssn", {"ssn": None}, {}, id="null"),
        pytest.param("ssn", {"a": {"ssn": 1}, "SSN": 2}, {"a": {"ssn": 1}, "SSN": 2}, id="only-this-path"),
        pytest.param("a.b.c", {"a": {"b": {"c": 1, "d": 2}, "c": 3}}, {"a": {"b": {"d": 2}, "c": 3}}, id="nested"),
        pytest.param("a.b", {"a": {"b": 1}}, {"a": {}}, id="empty-object-stays"),
        pytest.param("a.b", {"a": [{"b": 1, "c": 2}, {"b": 3}]}, {"a": [{"c": 2}, {}]}, id="array"),
        pytest.param("a.b", {"a": [[{"b": 1}], [[{"b": 1, "c": 2}]]]}, {"a": [[{}], [[{"c": 2}]]]}, id="arrays-of-arrays"),
        pytest.param("a.b", {"a": [1, None, [], "b", {"c": 2}]}, {"a": [1, None, [], "b", {"c": 2}]}, id="array-of-others"),
        pytest.param("a.b.c", {"a": [{"b": [{"c": 1}, 2]}]}, {"a": [{"b": [{}, 2]}]}, id="array-in-array-of-objects"),
        *(pytest.param("a.b", {"a": value}, {"a": value}, id=f"not-an-object-{value}") for value in (None, 1, "b", [])),
        pytest.param("a.b", {"a.b": 1, "a": {"b.c": 2}}, {"a.b": 1, "a": {"b.c": 2}}, id="dots-inside-names"),
        pytest.param("a.b", {"a": {"0": {"b": 1}}}, {"a": {"0": {"b": 1}}}, id="number-as-a-name"),
        pytest.param("a.größe $", {"a": {"größe $": 1, "$b": 2, "": 3}}, {"a": {"$b": 2, "": 3}}, id="special-names"),
    ],
)
def test_documents(field: str, document: Document, left: Document, open_streams: OpenStreams, db: Database[Document]) -> None:
    users = with_pre_images(db, "users")
    streams = open_streams(f"users.{field}", full_document_before_change="required")
    users.insert_one({"_id": 1} | document)
    users.replace_one({"_id": 1}, {"seen": True} | document)
    users.delete_one({"_id": 1})
    insert, replace, delete = streams.documents()
    assert insert["fullDocument"] == {"_id": 1} | left
    assert replace["fullDocument"] == {"_id": 1, "seen": True} | left
    assert replace["fullDocumentBeforeChange"] == {"_id": 1} | left
    assert delete["fullDocumentBeforeChange"] == {"_id": 1, "seen": True} | left
    assert "fullDocument" not in delete


@pytest.mark.parametrize(
    ("field", "before", "change", "updated"),
    [
        pytest.param("ssn", {}, {"ssn": 1, "n": 2}, {"n": 2}, id="the-field"),
        pytest.param("ssn", {"ssn": 1}, {"ssn": 2}, {}, id="nothing-else"),
        pytest.param("a", {"a": {"b": {}}}, {"a.b.c": 1}, {}, id="inside-the-field"),
        pytest.param("a.b", {"a": {}}, {"a.b": 1, "a.c": 2}, {"a.c": 2}, id="nested"),
        pytest.param("a.b", {}, {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, id="parent"),
        pytest.param("a.b.c", {}, {"a": {"b": [{"c": 1, "d": 2}]}}, {"a": {"b": [{"d": 2}]}}, id="grandparent"),
        pytest.param("a.b.c", {"a": {}}, {"a.b": {"c": 1, "d": 2}}, {"a.b": {"d": 2}}, id="parent-with-dots"),
        pytest.param("a.b", {}, {"a": [{"b": 1}, [{"b": 1, "c": 2}]]}, {"a": [{}, [{"c": 2}]]}, id="whole-array"),
        pytest.param("a.b", {"a": [{}]}, {"a.0.b": 1, "a.0.c": 2}, {"a.0.c": 2}, id="position"),
        pytest.param("a.b", {"a": [{}]}, {"a.0": {"b": 1, "c": 2}}, {"a.0": {"c": 2}}, id="element"),
        pytest.param("a.b", {"a": [[{}]]}, {"a.0.0.b": 1, "n": 2}, {"n": 2}, id="position-in-position"),
        pytest.param("a.b", {"a": [[]]}, {"a.0.0": {"b": 1, "c": 2}}, {"a.0.0": {"c": 2}}, id="element-of-element"),
        pytest.param("a.b", {"a": [{"b": [{}]}]}, {"a.0.b.0.x": 1}, {}, id="inside-an-element"),
        pytest.param("a.b.c", {"a": [{"b": [{}]}]}, {"a.0.b.0": {"c": 1}}, {"a.0.b.0": {}}, id="element-below-an-element"),
        pytest.param("a.b", {"a": {}}, {"a": None}, {"a": None}, id="null"),
        pytest.param("a.b", {"a": {}}, {"a": 7, "b": 8, "ab": 9}, {"a": 7, "ab": 9, "b": 8}, id="others"),
        pytest.param("a.b", {"a": {"c": {}}}, {"a.bc": 1, "a.c.b": 2}, {"a.bc": 1, "a.c.b": 2}, id="similar-names"),
        pytest.param("a.b", {"a": {"0": {}}}, {"a.0.b": 1}, {}, id="number-that-could-be-a-position"),
        pytest.param("2fa.key", {"2fa": {}}, {"2fa.key": 1, "2fa.on": True}, {"2fa.on": True}, id="name-that-begins-with-a-digit"),
    ],
)
def test_updated_fields(
    field: str, before: Document, change: Document, updated: Document, open_streams: OpenStreams, db: Database[Document]
) -> None:
    db.users.insert_one(before)
    streams = open_streams(f"users.{field}")
    db.users.update_one({}, {"$set": change})
    [(plain, excluding)] = streams.pairs()
    description = bson.decode(plain)["updateDescription"]
    assert description["updatedFields"].keys() == change.keys()
    assert bson.decode(excluding)["updateDescription"] == description | {"updatedFields": updated}


def test_names_of_removed_fields_are_told(open_streams: OpenStreams, db: Database[Document]) -> None:
    db.users.insert_one({"ssn": SECRET, "a": [*range(99)]} | PADDING)
    streams = open_streams("users.ssn", "users.a.b")
    db.users.update_one({}, [{"$unset": "ssn"}, {"$set": {"a": [*range(98)]}}])
    [event] = streams.documents()
    assert event["updateDescription"]["removedFields"] == ["ssn"]
    assert event["updateDescription"]["truncatedArrays"] == [{"field": "a", "newSize": 98}]


@pytest.mark.parametrize(("full_document", "expected"), [("updateLookup", {"fullDocument": None}), ("default", {})])
def test_no_document_stays_no_document(
    full_document: str, expected: Document, open_streams: OpenStreams, db: Database[Document]
) -> None:
    db.users.insert_one({"ssn": SECRET})
    streams = open_streams("users.ssn", full_document=full_document)
    db.users.update_one({}, {"$set": {"n": 1}})
    db.users.delete_many({})
    update, delete = streams.documents()
    assert {key: update[key] for key in update if key.startswith("fullDocument")} == expected
    assert not [key for key in delete if key.startswith("fullDocument")]


def test_a_dot_in_the_collections_name(open_streams: OpenStreams, db: Database[Document]) -> None:
    streams = open_streams("fs[.]files.owner.name")
    for name in ("fs.files", "fs_files", "old.fs.files"):
        db[name].insert_one({"_id": 1, "owner": {"name": SECRET}})
    assert [SECRET.encode() in event for _, event in streams.pairs()] == [False, True, True]


def test_what_fills_a_collection_before_it_has_its_name(
    open_streams: OpenStreams, db: Database[Document], mongo_client: MongoClient[Document]
) -> None:
    """`$out` and a rename from another database write to a temporary collection first."""
    other = f"{db.name}-other"
    mongo_client[other].people.insert_one({"_id": 1, "ssn": SECRET})
    db.people.insert_one({"_id": 1, "ssn": SECRET})
    streams = open_streams("users.ssn")
    db.people.aggregate([{"$out": "users"}])
    db.users.drop()
    mongo_client.admin.command({"renameCollection": f"{other}.people", "to": f"{db.name}.users"})
    mongo_client.drop_database(other)
    plain, excluding = zip(*streams.pairs(), strict=True)
    assert [SECRET.encode() in event for event in plain].count(True) == 2
    assert not [event for event in excluding if SECRET.encode() in event]


def test_several_exclusions_for_one_collection(open_streams: OpenStreams, db: Database[Document]) -> None:
    streams = open_streams("*.ssn", "us*.a.b", "users.a.c", "users.a.c.d", "users.ssn")
    db.users.insert_one({"_id": 1, "ssn": 1, "a": {"b": 1, "c": {"d": 1}, "e": 1}})
    db.users.update_one({}, {"$set": {"a": {"b": 2, "c": 2, "e": 2}}})
    insert, update = streams.documents()
    assert insert["fullDocument"] == {"_id": 1, "a": {"e": 1}}
    assert update["updateDescription"]["updatedFields"] == {"a": {"e": 2}}


def test_all_that_has_nothing_to_exclude_is_identical(open_streams: OpenStreams, db: Database[Document]) -> None:
    """The bytes of the events are: resume token, order of the fields and types."""
    pets = with_pre_images(db, "pets")
    streams = open_streams("users.ssn", "pe*.a.b", full_document_before_change="whenAvailable")
    for collection in (pets, db.zoo):
        collection.insert_one(PADDING | {"ssn": 1, "z": 1.0, "a": [{"c": bson.Int64(1)}], "b": None})
        collection.update_one({}, {"$set": {"y": 1, "a.0": {"d": 1}, "n": None}, "$unset": {"b": 1}})
        collection.update_one({}, {"$set": {"a": {}}})
        collection.replace_one({}, {"y": {"x.y": {"$z": 1}}})
        collection.update_one({}, [{"$replaceWith": {"$setField": {"field": "v.w", "input": "$$ROOT", "value": 1}}}])
        collection.delete_one({})
    pets.rename("birds")
    db.birds.drop()
    db.client.drop_database(db.name)
    pairs = streams.pairs()
    assert [bson.decode(plain)["operationType"] for plain, _ in pairs[-4:]] == ["drop", "drop", "dropDatabase", "invalidate"]
    assert [excluding for _, excluding in pairs] == [plain for plain, _ in pairs]


def element(name: bytes, value: str) -> bytes:
    return bson.encode({"?": value})[4:-1].replace(b"?", name, 1)


def raw_document(*elements: bytes) -> RawBSONDocument:
    body = b"".join(elements) + b"\0"
    return RawBSONDocument((len(body) + 4).to_bytes(4, "little") + body)


def embedded(name: bytes, document: RawBSONDocument) -> bytes:
    return b"\x03" + name + b"\0" + document.raw


def test_names_that_are_not_utf8_do_not_end_the_stream(open_streams: OpenStreams, db: Database[Document]) -> None:
    bad = (b"\xff\xfe", b"a\xe2", b"a\xed\xa0\x80", b"5\xc3", b"a\xc0\xaeb")
    streams = open_streams("users.ssn", "users.a.b")
    db.users.insert_one(raw_document(*(element(name, "v") for name in bad), element(b"ssn", SECRET)))
    for name in bad:
        fields = raw_document(element(name, "w"), element(b"ssn", SECRET + name.hex()))
        db.users.update_one({}, raw_document(embedded(b"$set", fields)))
    pairs = streams.pairs()
    assert len(pairs) == 1 + len(bad)
    assert all(SECRET.encode() in plain and SECRET.encode() not in excluding for plain, excluding in pairs)
    assert all(name in excluding for name, (_, excluding) in zip(bad, pairs[1:], strict=True))


def test_all_fields_of_one_name_go(open_streams: OpenStreams, db: Database[Document]) -> None:
    """MongoDB keeps what BSON allows: several fields of one name in one object."""
    before = raw_document(element(b"b", SECRET), element(b"c", "1"), element(b"b", SECRET))
    after = raw_document(element(b"b", SECRET), element(b"b", SECRET), element(b"c", "2"))
    streams = open_streams("users.ssn", "users.a.b")
    fields = (element(b"ssn", SECRET), embedded(b"a", before), embedded(b"a", before), element(b"ssn", SECRET))
    db.users.insert_one(raw_document(*fields))
    db.users.update_one({}, raw_document(embedded(b"$set", raw_document(embedded(b"a", after)))))
    pairs = streams.pairs()
    assert [plain.count(SECRET.encode()) for plain, _ in pairs] == [6, 8]
    assert [excluding.count(SECRET.encode()) for _, excluding in pairs] == [0, 0]


def test_an_event_that_is_too_large_only_by_what_is_excluded_comes(open_streams: OpenStreams, db: Database[Document]) -> None:
    users = with_pre_images(db, "users")
    users.insert_one({"_id": 1, "photo": b"x" * 9_000_000, "n": 1})
    streams = open_streams("users.photo", full_document_before_change="required")
    users.update_one({}, {"$set": {"n": 2}})
    with pytest.raises(EventTooLarge):
        streams.pairs()
    [event] = [bson.decode(event) for event in events_to_end(streams.excluding)]
    assert event["fullDocument"] == {"_id": 1, "n": 2}
    assert event["fullDocumentBeforeChange"] == {"_id": 1, "n": 1}


def test_no_byte_of_a_secret_reaches_kafka(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], kafka: Broker
) -> None:
    users = with_pre_images(db, "users")
    worker = launch(settings | {"exclude_fields": ["users.ssn", "*.auth.token"], "full_document_before_change": "whenAvailable"})
    worker.reached()
    secret = {"ssn": SECRET, "auth": [{"token": SECRET, "kind": "api"}]}
    for number in range(3):
        users.insert_one({"_id": number, "name": "Ada", **PADDING, **secret})
        users.update_one({"_id": number}, {"$set": {"name": "Grace", "ssn": f"{SECRET} 2", "auth.0.token": f"{SECRET} 3"}})
        users.update_one({"_id": number}, {"$set": {"ssn": f"{SECRET} 4"}})  # nothing else
        users.replace_one({"_id": number}, {"name": "Hedy", **secret})
        users.delete_one({"_id": number})
    records = inbox.records(15)
    assert worker.stop() == 0
    position = read_topics(kafka.bootstrap, [f"{settings['kafka_client_id']}.position"])
    assert [record.json["operationType"] for record in records] == ["insert", "update", "update", "replace", "delete"] * 3
    assert records[1].json["fullDocumentBeforeChange"]["auth"] == [{"kind": "api"}]
    assert records[1].json["updateDescription"]["updatedFields"] == {"name": "Grace"}
    for record in [*records, *position]:
        assert SECRET.encode() not in (record.key or b"") + (record.value or b"")
    for path in worker.state_dir.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
