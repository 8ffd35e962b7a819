"""exclude_fields on a real server: what is excluded never leaves it, and everything else does, unchanged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from fnmatch import fnmatchcase
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from tests.support.records import read_topics
from tests.support.worker import Inbox, Launch
from watcher.config import Settings
from watcher.config.mongodb.fields import split_field
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.errors import EventTooLarge
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
Path = tuple[str, ...]

SECRET = "s3cret-m4rker"
END = "zz_end"
PADDING = {"padding": "x" * 2000}
"""In a document of some size an update is an update: in a small one MongoDB may make it a replace, where that is shorter."""

TIMEOUT_S = 20


class Streams:
    """The change stream as it is, and beside it the same one with fields excluded."""

    def __init__(self, plain: ChangeStream, excluding: ChangeStream, db: Database[Document]) -> None:
        self.plain = plain
        self.excluding = excluding
        self._db = db

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """The events since the last call: as they are, and with the fields excluded."""
        self._db[END].insert_one({})
        plain, excluding = (list(events_to_end(stream)) for stream in (self.plain, self.excluding))
        return list(zip(plain, excluding, strict=True))

    def documents(self) -> list[Document]:
        """The events since the last call, with the fields excluded."""
        return [bson.decode(event) for _, event in self.pairs()]


def events_to_end(stream: ChangeStream) -> Iterator[bytes]:
    """The events up to the next one of the collection `END`, or to that of the stream."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        batch = stream.next()
        for event in batch.events:
            if RawBSONDocument(event).get("ns", {}).get("coll") == END:
                return
            yield event
        if batch.ended:
            return
    raise AssertionError("the last event did not come")


OpenStreams = Callable[..., Streams]


@pytest.fixture
def open_streams(mongo: ReplicaSet, database: str, db: Database[Document]) -> Iterator[OpenStreams]:
    """Opens both streams at the present: `open_streams("users.ssn", …)`, with settings by keyword."""
    with ExitStack() as stack:

        def open_at(exclude_fields: list[str], changes: Document) -> ChangeStream:
            settings = {
                "name": "dashboard",
                "mongodb_uri": mongo.uri(database),
                "kafka_brokers": "localhost:9092",
                "kafka_client_id": "dashboard-watcher",
                "exclude_fields": exclude_fields,
            }
            stream = stack.enter_context(closing(ChangeStream(Settings(**(settings | changes)))))
            stream.open(None)
            return stream

        yield lambda *fields, **changes: Streams(open_at([], changes), open_at([*fields], changes), db)


def with_pre_images(db: Database[Document], name: str) -> Collection[Document]:
    return db.create_collection(name, changeStreamPreAndPostImages={"enabled": True})


# What goes and what stays, case by case.


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


# Random documents and random changes, against a rule that is simple because it may be slow.

FIELDS = ("people.c", "*.ssn", "*.a.b", "pe*.b.a.c", "people.a.a.a.b", "*.b.b", "zoo.c.a")
COLLECTIONS = ("people", "pets", "zoo")
PLAIN_NAMES = ("a", "b", "c", "ssn", "0")
ODD_NAMES = ("a.b", "b.0.a", "$a", "", "A", "a\n", "größe")

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text("ab.$0", max_size=3)
names = st.sampled_from(PLAIN_NAMES * 3 + ODD_NAMES)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=4),
    max_leaves=16,
)
documents = st.dictionaries(st.sampled_from(PLAIN_NAMES), values, min_size=2).map(PADDING.__or__)


def paths_of(collection: str) -> list[Path]:
    return [path for pattern, path in map(split_field, FIELDS) if fnmatchcase(collection, pattern)]


def marked(value: Any, place: Path, paths: list[Path]) -> Any:
    """`value`, which stands at `place` in a document, with the secret at every place that is excluded, and nowhere else."""
    match value:
        case dict():
            return {name: marked(inner, (*place, name), paths) for name, inner in value.items()}
        case list():
            return [marked(inner, place, paths) for inner in value]
    return SECRET if any(place[: len(path)] == path for path in paths) else value


def without(value: Any, place: Path, paths: list[Path]) -> Any:
    """`value`, which stands at `place` in a document, without what is excluded below it."""
    match value:
        case dict():
            return {name: without(inner, (*place, name), paths) for name, inner in value.items() if (*place, name) not in paths}
        case list():
            return [without(inner, place, paths) for inner in value]
    return value


def expected(plain: bytes) -> bytes:
    """Return what the event must be with the fields excluded."""
    event = bson.decode(plain)
    paths = paths_of(event["ns"]["coll"])
    for name in ("fullDocument", "fullDocumentBeforeChange"):
        if name in event:
            event[name] = without(event[name], (), paths)
    if description := event.get("updateDescription"):
        updated = {}
        for name, value in description["updatedFields"].items():
            first, *others = name.split(".")
            place = (first, *(part for part in others if not part.isdecimal()))
            if not any(place[: len(path)] == path for path in paths):
                updated[name] = without(value, place, paths)
        description["updatedFields"] = updated
    return bson.encode(event)


def place_in(document: Document, data: st.DataObject) -> list[str]:
    """A path for $set that fits into `document`: of something in it, or of something new beside that."""
    steps: list[str] = []
    inside: Any = document
    while not steps or (isinstance(inside, (dict, list)) and data.draw(st.integers(0, 4), "go on")):
        if isinstance(inside, list):
            position = data.draw(st.integers(0, len(inside)), "position")
            steps.append(str(position))
            inside = inside[position] if position < len(inside) else None
        else:
            there = [name for name in inside if name in PLAIN_NAMES]
            steps.append(data.draw(st.sampled_from(there * 2 + [*PLAIN_NAMES]), "name"))
            inside = inside.get(steps[-1])
    return steps


def names_on(document: Document, steps: list[str]) -> Path:
    """The names of fields among `steps`, which lead into `document`."""
    names = []
    inside: Any = document
    for step in steps:
        if isinstance(inside, list):
            inside = inside[int(step)] if int(step) < len(inside) else None
        else:
            names.append(step)
            inside = inside.get(step)
    return tuple(names)


def change_at_random(collection: Collection[Document], paths: list[Path], data: st.DataObject) -> None:
    """One write to the collection's only document."""
    document = collection.find_one() or {}
    document.pop("_id")
    match data.draw(st.sampled_from(["set", "set", "set", "unset", "push", "replace", "compare"]), "operation"):
        case "set":
            steps = place_in(document, data)
            value = marked(data.draw(values, "value"), names_on(document, steps), paths)
            collection.update_one({}, {"$set": {".".join(steps): value}})
        case "unset":
            collection.update_one({}, {"$unset": {".".join(place_in(document, data)): 1}})
        case "push":
            name = data.draw(
                st.sampled_from(sorted(name for name, value in document.items() if isinstance(value, list)) or ["new"])
            )
            added = [marked(value, (name,), paths) for value in data.draw(st.lists(values, max_size=3), "values")]
            collection.update_one({}, {"$push": {name: {"$each": added, "$position": data.draw(st.integers(-2, 2))}}})
        case "replace":
            collection.replace_one({}, marked(data.draw(documents, "document"), (), paths))
        case "compare":  # the server finds out itself what is different: nested differences, truncated arrays
            after = marked(document | data.draw(documents, "changes"), (), paths)
            collection.update_one({}, [{"$replaceWith": {"$mergeObjects": [{"_id": "$_id"}, {"$literal": after}]}}])


def test_no_random_change_lets_a_secret_out(open_streams: OpenStreams, db: Database[Document]) -> None:
    collections = {name: with_pre_images(db, name) for name in COLLECTIONS}
    streams = open_streams(*FIELDS, full_document_before_change="required", full_document="whenAvailable")

    @hypothesis_settings(
        max_examples=60,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.reuse, Phase.generate],  # shrinking takes minutes on a server
    )
    @given(name=st.sampled_from(COLLECTIONS), document=documents, data=st.data())
    def check(name: str, document: Document, data: st.DataObject) -> None:
        paths = paths_of(name)
        collections[name].insert_one(marked(document, (), paths))
        try:
            for _ in range(data.draw(st.integers(2, 8), "changes")):
                change_at_random(collections[name], paths, data)
        finally:  # else the next example would meet this one's document and events
            collections[name].delete_one({})
            pairs = streams.pairs()
        for plain, excluding in pairs:
            assert SECRET.encode() not in excluding
            assert bson.decode(excluding) == bson.decode(expected(plain))
            assert excluding == expected(plain)

    check()


# The whole way, to Kafka.


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
