"""Documents as they are read from their collections: all of them, whatever their `_id`s, and as of a cluster time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp, UuidRepresentation
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.support.waiting import eventually
from tests.support.worker import watcher_settings
from watcher.bson_elements import id_document
from watcher.config import Settings
from watcher.errors import NotPermitted, Outage
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import Chunk, CollectionKind, CollectionReader
from watcher.mongodb.errors import NotAtThisTime
from watcher.sandbox.mongod import ReplicaSet

Db = Database[dict[str, Any]]
Raw = bytes

IDS: list[Any] = [
    MinKey(), None, 1, 2.5, Int64(2**60), Decimal128("1.10"), float("nan"), "a", "ä", {"a": 1}, {"a": {"b": ObjectId()}},
    Binary(b"abc"), Binary.from_uuid(uuid.UUID(int=5), UuidRepresentation.STANDARD), ObjectId(), False, True,
    datetime(2024, 1, 1, tzinfo=UTC), Timestamp(1, 2), Code("f"), Code("f", {"a": 1}), {}, MaxKey(),
]  # fmt: skip
"""22 values of 13 types, as MongoDB compares them."""

LARGEST = 16 * 1024 * 1024
"""Bytes of the largest document."""

SLOW = {"$expr": {"$reduce": {"input": {"$range": [0, 20_000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}}
"""A query that takes MongoDB some milliseconds for each document."""

CLUSTERED = {"clusteredIndex": {"key": {"_id": 1}, "unique": True}}
COLLATED = {"collation": {"locale": "sv", "strength": 1}}
OPTIONS = pytest.mark.parametrize(
    "options", [{}, COLLATED, CLUSTERED, CLUSTERED | COLLATED], ids=["usual", "collation", "clustered", "both"]
)
"""Ways to create a collection."""


@pytest.fixture
def settings(mongo: ReplicaSet, database: str) -> Settings:
    return Settings(name="dashboard", **watcher_settings(mongo.uri(database), "localhost:1", database))


@pytest.fixture
def session(settings: Settings) -> Iterator[CommandSession]:
    with closing(CommandSession(settings)) as session:
        yield session


@pytest.fixture
def reader(session: CommandSession, database: str) -> CollectionReader:
    return CollectionReader(session, database)


def chunks(reader: CollectionReader, collection: str, **how: Any) -> Iterator[Chunk]:
    """All chunks of a collection."""
    chunk = reader.chunk(collection, **how)
    yield chunk
    while not chunk.complete:
        chunk = reader.chunk(collection, chunk.last_id, **how)
        yield chunk


def read(reader: CollectionReader, collection: str, **how: Any) -> list[Raw]:
    return [raw for chunk in chunks(reader, collection, **how) for raw in chunk.documents]


def sorted_by_mongodb(db: Db, collection: str) -> list[Raw]:
    raw = db.get_collection(collection, codec_options=bson.CodecOptions(document_class=RawBSONDocument))
    return [bytes(document.raw) for document in raw.find().sort("_id", 1)]


def now(db: Db) -> Timestamp:
    time: Timestamp = db.client.admin.command("ping")["operationTime"]
    return time


def tick_before(time: Timestamp) -> Timestamp:
    return Timestamp(time.time, time.inc - 1)


# Which documents come.


@OPTIONS
@pytest.mark.parametrize("limit", [1, 4, 22, 1000])
@pytest.mark.parametrize("is_timed", [False, True])
def test_each_document_once_whatever_its_id(
    reader: CollectionReader, db: Db, options: dict[str, Any], limit: int, *, is_timed: bool
) -> None:
    db.create_collection("users", **options)
    db.users.insert_many([{"_id": id_, "n": number} for number, id_ in enumerate(IDS)])
    expected = sorted_by_mongodb(db, "users")
    assert len(expected) == len(IDS)
    assert read(reader, "users", limit=limit, at=now(db) if is_timed else None) == expected


def element(kind: int, value: bytes) -> RawBSONDocument:
    """A document whose `_id` has that type and value."""
    content = bytes([kind]) + b"_id\0" + value
    return RawBSONDocument((len(content) + 5).to_bytes(4, "little") + content + b"\0")


def text(value: bytes) -> bytes:
    return (len(value) + 1).to_bytes(4, "little") + value + b"\0"


def test_ids_that_no_decoder_gives_back(reader: CollectionReader, db: Db) -> None:
    """A string that is not UTF-8, a symbol, and a DBPointer: decoded and encoded again, each would sort elsewhere."""
    odd = [element(0x02, text(b"\xff")), element(0x0E, text(b"symbol")), element(0x0C, text(b"db.users") + bytes(12))]
    db.command("insert", "users", documents=[*odd, *({"_id": id_} for id_ in IDS)])
    assert read(reader, "users", limit=1) == sorted_by_mongodb(db, "users")


@OPTIONS
@pytest.mark.parametrize("make_id", [int, str, lambda number: {"n": number}, lambda number: ObjectId(f"{number:024x}")])
def test_no_chunk_scans_what_was_read_before(
    reader: CollectionReader, db: Db, options: dict[str, Any], make_id: Callable[[int], Any]
) -> None:
    count = 2000
    db.create_collection("users", **options)
    db.users.insert_many([{"_id": make_id(number)} for number in range(count)])
    before = scanned(db)
    assert len(read(reader, "users", limit=50)) == count
    assert scanned(db) - before < 2 * 2 * count


def scanned(db: Db) -> int:
    """Keys and documents that the server has looked at since its start."""
    executor = db.client.admin.command("serverStatus")["metrics"]["queryExecutor"]
    return int(executor["scanned"] + executor["scannedObjects"])


@pytest.mark.parametrize("is_timed", [False, True])
def test_a_query_chooses_among_the_documents(reader: CollectionReader, db: Db, *, is_timed: bool) -> None:
    db.users.insert_many([{"_id": number, "even": number % 2 == 0} for number in range(20)])
    how: dict[str, Any] = {"query": {"even": True}, "limit": 3, "at": now(db) if is_timed else None}
    assert [bson.decode(raw)["_id"] for raw in read(reader, "users", **how)] == [*range(0, 20, 2)]


@OPTIONS
@pytest.mark.parametrize("within", [1, 3, 22, 1000])
@pytest.mark.parametrize("is_timed", [False, True])
def test_a_search_among_few_documents_misses_none(
    reader: CollectionReader, db: Db, options: dict[str, Any], within: int, *, is_timed: bool
) -> None:
    db.create_collection("users", **options)
    db.users.insert_many([{"_id": id_, "wanted": number % 5 == 0} for number, id_ in enumerate(IDS)])
    how: dict[str, Any] = {"query": {"wanted": True}, "limit": 2, "at": now(db) if is_timed else None}
    expected = [raw for raw in sorted_by_mongodb(db, "users") if bson.decode(raw)["wanted"]]
    assert read(reader, "users", within=within, **how) == expected


@OPTIONS
def test_a_search_among_few_documents_looks_at_no_more(reader: CollectionReader, db: Db, options: dict[str, Any]) -> None:
    db.create_collection("users", **options)
    db.users.insert_many([{"_id": number} for number in range(2000)])
    after = reader.chunk("users", limit=100).last_id
    before = scanned(db)
    chunk = reader.chunk("users", after, limit=10, query={"wanted": True}, within=50)
    assert (chunk.documents, chunk.last_id, chunk.complete) == ([], bson.encode({"_id": 149}), False)
    assert scanned(db) - before <= 4 * 50 + 4


def test_the_last_chunk_is_known_by_its_size(reader: CollectionReader, db: Db) -> None:
    db.users.insert_many([{"_id": number} for number in range(5)])
    assert [(len(chunk.documents), chunk.complete) for chunk in chunks(reader, "users", limit=3)] == [(3, False), (2, True)]
    assert [(len(chunk.documents), chunk.complete) for chunk in chunks(reader, "users", limit=5)] == [(5, False), (0, True)]


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_nothing_to_read(reader: CollectionReader, db: Db, name: str) -> None:
    db.create_collection("empty")
    for at in (None, now(db)):
        chunk = reader.chunk(name, limit=10, at=at)
        assert (chunk.documents, chunk.last_id, chunk.complete) == ([], None, True)
        assert chunk.operation_time >= now(db)


# How much comes at once.


def test_a_chunk_ends_at_its_bytes(reader: CollectionReader, db: Db) -> None:
    db.users.insert_many([{"_id": number, "text": "x" * 1000} for number in range(5)])
    assert [len(chunk.documents) for chunk in chunks(reader, "users", limit=10, max_bytes=2500)] == [2, 2, 1]
    assert [len(chunk.documents) for chunk in chunks(reader, "users", limit=10, max_bytes=1)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("is_timed", [False, True])
def test_the_largest_documents(reader: CollectionReader, db: Db, *, is_timed: bool) -> None:
    room = LARGEST - len(bson.encode({"_id": 0, "text": ""}))
    for number in range(2):
        db.users.insert_one({"_id": number, "text": "x" * room})
    before = open_cursors(db)
    found = [*chunks(reader, "users", limit=10, at=now(db) if is_timed else None)]
    assert [[len(raw) for raw in chunk.documents] for chunk in found] == [[LARGEST], [LARGEST]]
    assert open_cursors(db) == before


def open_cursors(db: Db) -> int:
    return int(db.client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"])


# The time as of which they come.


def state(chunk: Chunk) -> list[Any]:
    return [bson.decode(raw)["state"] for raw in chunk.documents]


@OPTIONS
def test_a_time_shows_what_was_written_up_to_it(reader: CollectionReader, db: Db, options: dict[str, Any]) -> None:
    db.create_collection("users", **options)
    with db.client.start_session() as writing:
        db.users.insert_one({"_id": 1, "state": "old"}, session=writing)
        db.users.update_one({"_id": 1}, {"$set": {"state": "new"}}, session=writing)
        time = writing.operation_time
    assert time is not None
    assert state(reader.chunk("users", limit=10, at=tick_before(time))) == ["old"]
    assert state(reader.chunk("users", limit=10, at=time)) == ["new"]
    db.users.delete_one({"_id": 1})
    assert state(reader.chunk("users", limit=10, at=time)) == ["new"]
    assert state(reader.chunk("users", limit=10, at=now(db))) == []


@pytest.mark.parametrize("options", [{}, {"capped": True, "size": 100_000}], ids=["usual", "capped"])
def test_a_read_since_a_time_shows_what_was_written_up_to_it_and_tells_its_own(
    reader: CollectionReader, db: Db, options: dict[str, Any]
) -> None:
    """The session has not heard of the write, and the collection may be one whose past cannot be read."""
    db.create_collection("users", **options)
    with db.client.start_session() as writing:
        db.users.insert_one({"_id": 1, "state": "new"}, session=writing)
        time = writing.operation_time
    assert time is not None
    chunk = reader.chunk("users", limit=10, since=time)
    assert state(chunk) == ["new"]
    assert chunk.operation_time >= time
    with pytest.raises(NotAtThisTime):
        reader.chunk("users", limit=10, since=Timestamp(time.time + 3600, 1))


def refusal(reader: CollectionReader, collection: str, at: Timestamp) -> str:
    """The code of MongoDB's refusal to read as of that time."""
    with pytest.raises(NotAtThisTime) as caught:
        reader.chunk(collection, limit=10, at=at)
    return caught.value.code


def test_a_time_in_the_future(reader: CollectionReader, db: Db) -> None:
    db.create_collection("users")
    assert refusal(reader, "users", Timestamp(now(db).time + 3600, 1)) == "InvalidOptions"


def test_a_time_before_the_collection(reader: CollectionReader, db: Db) -> None:
    db.create_collection("others")
    before = now(db)
    db.create_collection("users")
    assert refusal(reader, "users", before) == "SnapshotUnavailable"


def test_a_capped_collection_has_no_past(reader: CollectionReader, db: Db) -> None:
    db.create_collection("log", capped=True, size=100_000)
    db.log.insert_many([{"_id": id_} for id_ in IDS])
    assert refusal(reader, "log", now(db)) == "SnapshotUnavailable"
    assert read(reader, "log", limit=4) == sorted_by_mongodb(db, "log")


def test_a_time_that_mongodb_has_forgotten(reader: CollectionReader, db: Db) -> None:
    db.users.insert_one({"_id": 1})
    old, window = now(db), "minSnapshotHistoryWindowInSeconds"
    before = db.client.admin.command("getParameter", 1, **{window: 1})[window]
    db.client.admin.command("setParameter", 1, **{window: 0})
    try:
        eventually(lambda: not _is_known(reader, db, old))
        assert refusal(reader, "users", old) == "SnapshotTooOld"
    finally:
        db.client.admin.command("setParameter", 1, **{window: before})


def _is_known(reader: CollectionReader, db: Db, time: Timestamp) -> bool:
    db.others.insert_one({})  # the history moves on with the writes
    try:
        reader.chunk("users", limit=10, at=time)
    except NotAtThisTime:
        return False
    return True


def test_a_read_that_takes_too_long(reader: CollectionReader, db: Db) -> None:
    db.users.insert_many([{"_id": number} for number in range(100)])
    how: dict[str, Any] = {"limit": 100, "query": SLOW, "max_time_ms": 20}
    for when, expected in (({"at": now(db)}, NotAtThisTime), ({"since": now(db)}, NotAtThisTime), ({}, Outage)):
        with pytest.raises(Outage) as caught:
            reader.chunk("users", **when, **how)
        assert (type(caught.value), caught.value.code) == (expected, "MaxTimeMSExpired")


# The form in which they come.

FIELDS = ("users.ssn", "*.auth.token", "u*.auth.code", "t*.a", "users.a.b.c", "users.a.b")
DOCUMENTS: list[dict[str, Any]] = [
    {"ssn": 1, "name": "a", "auth": {"token": "t", "code": 1, "kept": 2}},
    {"ssn": {"a": [1]}, "auth": [{"token": "t"}, 2, [{"token": 1, "code": 2}]]},
    {"a": {"b": {"c": 1}}, "auth.token": "kept", "auth": {"token.x": 1}},
    {"a": [[{"b": 1}], [[{"b": 1, "c": 2}]]], "x": {"ssn": 1}},
    {"auth": None, "a": "text"},
]


@pytest.mark.parametrize("name", ["users", "u", "others", "größe", "a..b"])
def test_fields_are_left_out_as_in_the_change_stream(
    session: CommandSession, settings: Settings, db: Db, database: str, name: str, mongo: ReplicaSet
) -> None:
    given = watcher_settings(mongo.uri(database), "localhost:1", database) | {"exclude_fields": [*FIELDS]}
    with closing(ChangeStream(Settings(name="dashboard", **given))) as stream:
        stream.open(None)
        db.command("insert", name, documents=[{"_id": number} | document for number, document in enumerate(DOCUMENTS)])
        told: list[Raw] = []
        assert eventually(lambda: len(_extend(told, stream)) == len(DOCUMENTS))
    reader = CollectionReader(session, database, FIELDS)
    assert read(reader, name, limit=2) == told
    assert [raw for reply in reader.aggregate(name, [{"$sort": {"_id": 1}}], 2) for raw in reply] == told


def _extend(told: list[Raw], stream: ChangeStream) -> list[Raw]:
    told += [bytes(RawBSONDocument(event)["fullDocument"].raw) for event in stream.next().events]
    return told


def test_a_temporary_collection_leaves_out_what_the_one_that_it_becomes_will(
    session: CommandSession, db: Db, database: str
) -> None:
    name = "tmp.agg_out.8c5e92b5-4431-48d8-a2c8-2c2f77042f28"
    db[name].insert_one({"_id": 1, "ssn": 2, "name": "a"})
    assert [*map(bson.decode, read(CollectionReader(session, database, FIELDS), name, limit=9))] == [{"_id": 1, "name": "a"}]


# What there is.


def test_the_collections_and_their_kinds(reader: CollectionReader, db: Db) -> None:
    db.create_collection("ordinary")
    db.create_collection("capped", capped=True, size=4096)
    db.create_collection("clustered", **CLUSTERED)
    db.create_collection("timeseries", timeseries={"timeField": "t"})
    db.create_collection("view", viewOn="ordinary", pipeline=[])
    found = reader.collections()
    assert {info.name: info.kind for info in found} == {kind: kind for kind in CollectionKind}
    assert [info.name for info in found] == sorted(CollectionKind)
    with_uuid = {info["name"]: info["info"]["uuid"].as_uuid() for info in db.list_collections() if "uuid" in info["info"]}
    assert {info.name: info.uuid for info in found if info.uuid} == {
        name: uuid for name, uuid in with_uuid.items() if not name.startswith("system.")
    }


def test_more_collections_than_a_reply_lists(reader: CollectionReader, db: Db) -> None:
    names = sorted(f"c{number}" for number in range(120))
    for name in names:
        db.create_collection(name)
    assert [info.name for info in reader.collections()] == names


def test_the_count_of_documents(reader: CollectionReader, db: Db) -> None:
    db.users.insert_many([{} for _ in range(7)])
    assert (reader.count("users"), reader.count("nowhere")) == (7, 0)


def test_the_session_knows_what_was_read(session: CommandSession, reader: CollectionReader, db: Db) -> None:
    assert session.operation_time is None
    db.users.insert_one({"_id": 1})
    chunk = reader.chunk("users", limit=1)
    assert session.operation_time == chunk.operation_time <= session.primary_time()
    assert id_document(chunk.documents[0]) == bson.encode({"_id": 1})


def test_the_role_read_is_enough(tmp_path: Path) -> None:
    with ReplicaSet(tmp_path, user="root", password="secret") as guarded, guarded.client() as root:
        for user, database in (("reader", "shop"), ("stranger", "other")):
            root.admin.command("createUser", user, pwd="secret", roles=[{"role": "read", "db": database}])
        root.shop.users.insert_one({"_id": 1})
        with closing(CommandSession(guarded_settings(guarded, "reader"))) as session:
            reader = CollectionReader(session, "shop")
            assert [info.name for info in reader.collections()] == ["users"]
            assert reader.count("users") == len(reader.chunk("users", limit=2, at=now(root.shop)).documents) == 1
        with closing(CommandSession(guarded_settings(guarded, "stranger"))) as session, pytest.raises(NotPermitted):
            CollectionReader(session, "shop").chunk("users", limit=2, at=now(root.shop))


def guarded_settings(guarded: ReplicaSet, user: str) -> Settings:
    return Settings(name="dashboard", **watcher_settings(guarded.uri("shop", user=user, password="secret"), "localhost:1", "shop"))
