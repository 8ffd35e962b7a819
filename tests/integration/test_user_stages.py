"""The user's own stages and excluded operations on real servers: one that splits large events, and one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.mongodb_transactions import in_transaction
from tests.support.streams import decoded, id_of, opened, read_after, read_until, stream_settings
from watcher.config.mongodb.stages import CHECKS, NEEDED
from watcher.errors import ConfigurationError
from watcher.model import Batch
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionReader
from watcher.mongodb.errors import StagesFailed
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.mongodb.timeline import Timeline
from watcher.operations import ROW_OPERATIONS
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.mongodb_fixtures", "tests.support.splitting_mongod"]

on_each_server = pytest.mark.parametrize("mongo", ["failing_mongo", "splitting_mongo"], indirect=True)

Document = dict[str, Any]
Db = Database[Document]

ALL_NEEDED = {name: 1 for name in NEEDED if name != "_id"}
DIVIDED = {"$set": {"fullDocument.half": {"$divide": [{"$toDouble": "$fullDocument.n"}, 2]}}}
"""MongoDB's error about it quotes the value."""
PAID = {"$match": {"fullDocument.status": "paid"}}
NAMES = [f"d{number}" for number in range(7)]


@pytest.fixture
def mongo(request: pytest.FixtureRequest) -> ReplicaSet:
    """One of the two servers; that which does not split, unless a test asks for both."""
    server: ReplicaSet = request.getfixturevalue(getattr(request, "param", "failing_mongo"))
    return server


@pytest.fixture
def mongo_client(mongo: ReplicaSet) -> Iterator[MongoClient[Document]]:
    """A client of it."""
    with mongo.client() as client:
        yield client


def events_of(mongo: ReplicaSet, database: str, db: Db, pipeline: list[Any], **more: Any) -> list[Document]:
    """Messages that come of the life of some documents, a rename and a drop."""
    settings = stream_settings(mongo, database, pipeline=pipeline, **more)
    start = Timeline(stream_settings(mongo, database)).now()
    db.orders.insert_one({"_id": 1, "status": "open", "secret": "s", "tags": ["eu"], "at": {"level": 1}})
    db.orders.insert_one({"_id": 2, "status": "paid", "secret": "s", "tags": ["us"], "at": {"level": 5}})
    db.orders.update_one({"_id": 2}, {"$set": {"n": 1}})
    db.orders.replace_one({"_id": 2}, {"status": "paid", "secret": "t", "tags": []})
    db.orders.delete_one({"_id": 2})
    db.orders.rename("old", dropTarget=True)
    db.old.drop()
    with closing(ResumingStream(settings)) as stream:
        stream.open(start)
        events: list[Document] = []
        while not events or events[-1]["operationType"] != "drop":
            events += decoded(stream.next())
    return events


def told(events: list[Document]) -> list[tuple[Any, ...]]:
    return [(event["operationType"], id_of(event)) for event in events]


LIFE = [("insert", 1), ("insert", 2), ("update", 2), ("replace", 2), ("delete", 2), ("rename", None), ("drop", None)]


@on_each_server
def test_a_match_is_for_changes_of_documents(mongo: ReplicaSet, database: str, db: Db) -> None:
    events = events_of(mongo, database, db, [PAID])
    assert told(events) == [LIFE[1], LIFE[3], *LIFE[5:]]  # the update's document is gone when it's looked up
    assert events[-2]["to"] == {"db": database, "coll": "old"}


@pytest.mark.parametrize("operation", ROW_OPERATIONS)
def test_excluded_operations(operation: str, mongo: ReplicaSet, database: str, db: Db) -> None:
    events = events_of(mongo, database, db, [], exclude_operations=[operation])
    assert told(events) == [each for each in LIFE if each[0] != operation]


STAGES: dict[str, Document] = {
    "$project in": {"$project": ALL_NEEDED | {"fullDocument.status": 1}},
    "$project out": {"$project": {"fullDocument.secret": 0}},
    "$unset": {"$unset": ["fullDocument.secret", "updateDescription"]},
    "$set": {"$set": {"fullDocument.region": "eu", "fullDocumentBeforeChange.x": 1, "updateDescription.x": 1}},
    "$addFields": {"$addFields": {"fullDocument": {"region": {"$toUpper": "$fullDocument.status"}}}},
    "$replaceRoot": {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$$ROOT", {"fullDocument": {"a": 1}}]}}},
    "$replaceWith": {"$replaceWith": {name: f"${name}" for name in NEEDED}},
    "$redact": {"$redact": {"$cond": [{"$or": ["$operationType", "$status", {"$eq": ["$level", 1]}]}, "$$DESCEND", "$$PRUNE"]}},
}


@on_each_server
@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_stage_leaves_what_is_needed(stage: Document, mongo: ReplicaSet, database: str, db: Db) -> None:
    plain = events_of(mongo, database, db, [])
    made = events_of(mongo, database, db, [stage])
    assert told(made) == LIFE
    for before, after in zip(plain, made, strict=True):
        for name in NEEDED[1:]:
            if name != "clusterTime":
                assert after.get(name) == before.get(name)
        assert {"_id", "clusterTime", "wallTime"} <= after.keys()
        assert after.get("to") == before.get("to")
        assert after.keys() - {"fullDocument"} <= before.keys()
        if before["operationType"] not in ("insert", "update", "replace") and "$replaceRoot" not in stage:
            assert "fullDocument" not in after


def test_every_stage_is_tried() -> None:
    assert {next(iter(stage)) for stage in STAGES.values()} | {"$match"} == CHECKS.keys()


def test_what_the_stages_make(mongo: ReplicaSet, database: str, db: Db) -> None:
    def second(name: str) -> Document:
        document: Document = events_of(mongo, database, db, [STAGES[name]])[1]["fullDocument"]
        return document

    assert second("$project in") == {"status": "paid"}
    assert second("$project out") == {"_id": 2, "status": "paid", "tags": ["us"], "at": {"level": 5}}
    assert second("$set")["region"] == "eu"
    assert second("$addFields")["region"] == "PAID"
    assert second("$redact") == {"_id": 2, "status": "paid", "secret": "s", "tags": ["us"]}


def test_a_field_is_set_only_in_a_document_that_is_there(mongo: ReplicaSet, database: str, db: Db) -> None:
    settings = stream_settings(mongo, database, pipeline=[{"$set": {"fullDocument.region": "eu"}}])
    start = Timeline(settings).now()
    db.orders.insert_one({"_id": 1})
    db.orders.update_one({"_id": 1}, {"$set": {"n": 1}})
    db.orders.delete_one({"_id": 1})
    db.orders.insert_one({"_id": "end"})
    insert, update, delete, _ = read_after(settings, start, "end")
    assert insert["fullDocument"] == {"_id": 1, "region": "eu"}
    assert update["fullDocument"] is None  # it's looked up after the delete
    assert "fullDocument" not in delete


REFUSED = {
    "operator": ({"$match": {"fullDocument.n": {"$gtt": 1}}}, "$match"),
    "expression": ({"$set": {"fullDocument.n": {"$noSuch": 1}}}, "$set"),
    "arity": ({"$addFields": {"fullDocument.n": {"$divide": [1]}}}, "$addFields"),
    "extended JSON": ({"$match": {"fullDocument.at": {"$date": "soon"}}}, "stage 2"),
}


@pytest.mark.parametrize(("stage", "name"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("after", [False, True], ids=["new", "after-a-position"])
def test_a_stage_that_mongodb_refuses_is_named(
    stage: Document, name: str, mongo: ReplicaSet, database: str, db: Db, after: bool
) -> None:
    token = Timeline(stream_settings(mongo, database)).now() if after else None
    settings = stream_settings(mongo, database, pipeline=[PAID, stage])
    with pytest.raises(ConfigurationError, match=r"pipeline: stage 2") as caught, closing(ResumingStream(settings)) as stream:
        stream.open(token)
    assert name in str(caught.value)
    assert "docs/filtering.md" in caught.value.hint


@on_each_server
@pytest.mark.parametrize(
    "narrowed",
    [{"pipeline": [PAID]}, {"exclude_operations": ["insert"]}, {"watch_collections": ["users"]}],
    ids=["pipeline", "exclude_operations", "watch_collections"],
)
def test_a_narrowed_filter_keeps_the_position(narrowed: Document, mongo: ReplicaSet, database: str, db: Db) -> None:
    """The event of the position is none that comes any more, and others of its time are on both sides of it."""
    wide = stream_settings(mongo, database)
    start = Timeline(wide).now()
    db.users.insert_one({"_id": 0})
    in_transaction(
        db.client,
        lambda session: db.orders.insert_many([{"_id": number, "status": "open"} for number in (1, 2, 3)], session=session),
        lambda session: db.users.replace_one({"_id": 0}, {"status": "paid"}, session=session),
    )
    token = next(event["_id"] for event in read_after(wide, start, 3) if id_of(event) == 2)
    db.users.replace_one({"_id": 0}, {"status": "paid", "n": 1})
    db.users.update_one({"_id": 0}, {"$set": {"status": "paid", "last": True}})
    settings = stream_settings(mongo, database, **narrowed)
    with opened(settings, token) as stream:
        events = []
        while not events or events[-1]["operationType"] != "update":
            events += decoded(stream.next())
    assert told(events) == [("replace", 0), ("replace", 0), ("update", 0)]
    with opened(settings, events[0]["_id"]) as stream:
        events = []
        while not events or events[-1]["operationType"] != "update":
            events += decoded(stream.next())
        assert told(events) == [("replace", 0), ("update", 0)]


def test_large_events_are_still_split(splitting_mongo: ReplicaSet, prefix: str) -> None:
    with splitting_mongo.client() as client:
        db = client[prefix]
        db.create_collection("files", changeStreamPreAndPostImages={"enabled": True})
        more = {"full_document_before_change": "whenAvailable", "pipeline": [{"$set": {"fullDocument.region": "eu"}}]}
        settings = stream_settings(splitting_mongo, prefix, **more)
        start = Timeline(settings).now()
        db.files.insert_one({"_id": 1, "text": "x" * 10_000_000})
        db.files.update_one({"_id": 1}, {"$set": {"n": 1}})
        db.files.insert_one({"_id": "end"})
        _, update, _ = read_after(settings, start, "end")
        client.drop_database(prefix)
    assert (update["fullDocument"]["region"], len(update["fullDocument"]["text"])) == ("eu", 10_000_000)
    assert len(update["fullDocumentBeforeChange"]["text"]) == 10_000_000


@on_each_server
@pytest.mark.parametrize("options", [{}, {"clusteredIndex": {"key": {"_id": 1}, "unique": True}}], ids=["usual", "clustered"])
def test_documents_go_through_the_stages_too(options: Document, mongo: ReplicaSet, database: str, db: Db) -> None:
    pipeline = [
        {"$match": {"fullDocument.n": {"$gte": 6}, "operationType": "insert", "ns.coll": "orders"}},
        {"$project": ALL_NEEDED | {"fullDocument.n": 1, "fullDocument.twice": {"$multiply": ["$fullDocument.n", 2]}}},
    ]
    settings = stream_settings(mongo, database, pipeline=pipeline, exclude_fields=["orders.secret"])
    db.create_collection("orders", **options)
    ids: list[Any] = [None, 1, 2.5, "a", {"a": 1}, True, bson.ObjectId(), "z", bson.MaxKey()]
    db.orders.insert_many([{"_id": _id, "n": number, "secret": 1} for number, _id in enumerate(ids)])
    time = db.command("ping")["operationTime"]
    with closing(CommandSession(settings)) as session:
        reader = CollectionReader(session, database, settings.exclude_fields, settings.pipeline)
        last, found, sizes, complete = None, [], [], False
        while not complete:
            chunk = reader.chunk("orders", last, limit=2, at=time)
            found += [bson.decode(raw) for raw in chunk.documents]
            sizes.append(len(chunk.documents))
            last, complete = chunk.last_id or last, chunk.complete
        assert {bson.decode(raw)["n"] for reply in reader.aggregate("orders", [], 100) for raw in reply} == {6, 7, 8}
    assert sorted(each["n"] for each in found) == [6, 7, 8]
    assert all(each["twice"] == 2 * each["n"] and each.keys() == {"_id", "n", "twice"} for each in found)
    assert 0 in sizes
    assert {repr(each["_id"]) for each in found} == {repr(_id) for _id in ids[6:]}


def test_bytes_bound_a_chunk_after_the_stages(mongo: ReplicaSet, database: str, db: Db) -> None:
    settings = stream_settings(mongo, database, pipeline=[{"$set": {"fullDocument.more": "x" * 1000}}])
    db.orders.insert_many([{"_id": number} for number in range(10)])
    with closing(CommandSession(settings)) as session:
        reader = CollectionReader(session, database, pipeline=settings.pipeline)
        last, found, chunks, complete = None, [], 0, False
        while not complete:
            chunk = reader.chunk("orders", last, limit=8, max_bytes=3500)
            assert 1 <= len(chunk.documents) <= 3
            found += [bson.decode(raw)["_id"] for raw in chunk.documents]
            last, complete, chunks = chunk.last_id or last, chunk.complete, chunks + 1
    assert found == [*range(10)]
    assert chunks >= 4


def test_a_dropped_database_ends_the_stream(mongo: ReplicaSet, database: str, db: Db) -> None:
    settings = stream_settings(mongo, database, pipeline=[PAID])
    with opened(settings, None) as stream:
        db.orders.insert_one({"_id": 1, "status": "paid"})
        read_until(stream, 1)
        db.client.drop_database(database)
        operations: list[str] = []
        while "invalidate" not in operations:
            operations += [event["operationType"] for event in decoded(stream.next())]
    assert operations == ["drop", "dropDatabase", "invalidate"]


FAILING = [{"$match": {"$or": [{"operationType": "delete"}, {"fullDocument.n": {"$ne": 0}}]}}, DIVIDED]


def divided(mongo: ReplicaSet, database: str, db: Db, policy: str) -> Iterator[Batch]:
    """Messages of a stream whose pipeline fails on texts, among events that it drops, control events and a transaction."""
    settings = stream_settings(mongo, database, pipeline=FAILING, on_transform_error=policy)
    start = Timeline(settings).now()
    db.orders.insert_many([{"_id": 1, "n": 2}, {"_id": 2, "n": 0}, {"_id": 3, "n": 0}, {"_id": "bad", "n": "text"}])
    db.create_collection("other")
    db.drop_collection("other")
    several = ((4, 0), ("bad 2", "text"), ("bad 3", "text"), (5, 4))
    in_transaction(db.client, lambda session: db.orders.insert_many([{"_id": _id, "n": n} for _id, n in several], session=session))
    db.orders.insert_many([{"_id": 6, "n": 0}, {"_id": "bad 4", "n": "text"}])
    with opened(settings, start) as stream:
        for _ in range(40):
            yield (batch := stream.next(100))
            if any(id_of(event) == "bad 4" for event in decoded(batch)):
                break
        db.orders.insert_one({"_id": "end", "n": 2})
        yield from iter(lambda: stream.next(1000), None)


@on_each_server
def test_events_on_which_the_pipeline_fails_are_put_aside(mongo: ReplicaSet, database: str, db: Db) -> None:
    found: list[tuple[Any, bool, Any]] = []
    tokens: list[str] = []
    for batch in divided(mongo, database, db, "dead-letter"):
        tokens.append(batch.token["_data"])
        for event in decoded(batch):
            half = None if batch.failed else (event.get("fullDocument") or {}).get("half")
            found.append((id_of(event), batch.failed, half))
        if found and found[-1][0] == "end":
            break
    assert found == [
        (1, False, 1.0),
        ("bad", True, None),
        (None, False, None),
        ("bad 2", True, None),
        ("bad 3", True, None),
        (5, False, 2.0),
        ("bad 4", True, None),
        ("end", False, 1.0),
    ]
    assert tokens == sorted(tokens)


def test_an_event_on_which_the_pipeline_fails_is_named(mongo: ReplicaSet, database: str, db: Db) -> None:
    delivered: list[Any] = []
    batches = divided(mongo, database, db, "fail")
    with pytest.raises(StagesFailed, match=r"the insert of .* in orders") as caught:
        delivered.extend(id_of(event) for batch in batches for event in decoded(batch))
    assert delivered == [1]
    assert '{"_id": "bad"}' in str(caught.value)
    settings = stream_settings(mongo, database, pipeline=FAILING)
    timeline = Timeline(settings)
    assert timeline.after(timeline.at(datetime.now(UTC) - timedelta(seconds=5)))  # a command has no use for the event
    assert "on_transform_error" in caught.value.hint
    assert "text" not in str(caught.value)
