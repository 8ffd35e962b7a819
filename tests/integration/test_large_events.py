"""Events that MongoDB cannot give whole, with any `_id`, alone and in transactions: what a stream makes of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from random import Random
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tests.support.mongodb_faults import failing
from tests.support.mongodb_transactions import in_transaction
from tests.support.streams import decoded, id_of, opened, read_after, read_until, stream_settings
from tests.support.waiting import eventually
from watcher.config import Settings
from watcher.errors import Outage, UndeliverableEvent
from watcher.model import ResumeToken
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.mongodb.timeline import Timeline
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.mongodb_fixtures", "tests.support.splitting_mongod"]

Document = dict[str, Any]
Db = Database[Document]

MEGABYTE = 1_000_000
LARGE = "x" * (9 * MEGABYTE)
JUST_UNDER_16_MB = 16 * 2**20 - 100
DOCUMENTS = ["fullDocument", "fullDocumentBeforeChange"]
IMAGES: Document = {"full_document_before_change": "whenAvailable"}

IDS = [
    str(uuid.UUID(int=2**127)),
    "someone.with.a.long.name@department.example.org",
    "x" * 35,
    "x" * 100_000,
    {"tenant": "a" * 60, "number": 1},
    ObjectId("65f0c1a2b3c4d5e6f7a8b9c0"),
    7,
    Int64(2**60),
    Decimal128("1.50"),
    Binary(b"b" * 300),
    datetime(2026, 11, 26, tzinfo=UTC),
    None,
]


@pytest.fixture
def files(db: Db) -> Db:
    """The database, with a collection `files` that has pre-images."""
    db.create_collection("files", changeStreamPreAndPostImages={"enabled": True})
    return db


@pytest.fixture
def start(mongo: ReplicaSet, files: Db) -> Callable[[], ResumeToken]:
    """The present, when it's called."""
    return Timeline(stream_settings(mongo, files.name)).now


def summary(events: list[Document]) -> list[tuple[str, Any, list[str]]]:
    return [(event["operationType"], id_of(event), event.get("missing", [])) for event in events]


def grow(db: Db, _id: Any) -> Callable[[ClientSession | None], object]:
    """Makes an event of 18 MB and more: two documents of 9 MB."""
    return lambda session: db.files.update_one({"_id": _id}, {"$inc": {"n": 1}}, session=session)


def insert(db: Db, _id: Any) -> Callable[[ClientSession | None], object]:
    return lambda session: db.files.insert_one({"_id": _id}, session=session)


@pytest.mark.parametrize("_id", IDS, ids=lambda _id: f"{type(_id).__name__}-{str(_id)[:12]}")
def test_an_id_of_any_kind(_id: Any, mongo: ReplicaSet, files: Db, start: Callable[[], ResumeToken]) -> None:
    files.files.insert_one({"_id": _id})
    token = start()
    insert(files, "before")(None)
    files.files.update_one({"_id": _id}, {"$set": {"text": LARGE}})
    insert(files, "end")(None)
    events = read_after(stream_settings(mongo, files.name), token, "end")
    stored = files.files.find_one({"_id": _id}, {"text": 0})
    assert stored is not None
    assert summary(events) == [
        ("insert", "before", []),
        ("update", stored["_id"], ["fullDocument"]),
        ("insert", "end", []),
    ]
    assert events[1]["updateDescription"]["updatedFields"]["text"] == LARGE


TRANSACTIONS = {
    "first": ["large", "small 1", "end"],
    "last": ["small 1", "small 2", "end", "large"],
    "alone": ["large"],
    "several": ["small 1", "large", "large", "small 2", "large", "end"],
}


@pytest.mark.parametrize("what", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_inside_a_transaction(what: list[str], mongo: ReplicaSet, files: Db, start: Callable[[], ResumeToken]) -> None:
    files.files.insert_one({"_id": "large", "text": LARGE})
    token = start()
    in_transaction(files.client, *(grow(files, _id) if _id == "large" else insert(files, _id) for _id in what))
    insert(files, "after")(None)
    expected = [("update", _id, DOCUMENTS) if _id == "large" else ("insert", _id, []) for _id in what]
    events = read_after(stream_settings(mongo, files.name, **IMAGES), token, "after")
    assert summary(events) == [*expected, ("insert", "after", [])]
    for number, event in enumerate(events[:-1]):  # and from each position between them
        rest = read_after(stream_settings(mongo, files.name, **IMAGES), event["_id"], "after")
        assert summary(rest) == [*expected[number + 1 :], ("insert", "after", [])]


@pytest.mark.parametrize("exclude", [["fil*"], ["files"]])
def test_one_of_a_collection_that_is_not_watched_is_none_of_ours(
    exclude: list[str], mongo: ReplicaSet, files: Db, start: Callable[[], ResumeToken]
) -> None:
    """Reading does not fail for it, although MongoDB makes each event before it tests the names."""
    files.files.insert_one({"_id": "large", "text": LARGE})
    token = start()
    grow(files, "large")(None)
    files.others.insert_one({"_id": "end"})
    settings = stream_settings(mongo, files.name, exclude_collections=exclude, **IMAGES)
    with closing(ResumingStream(settings)) as stream:
        stream.open(token)
        batch = eventually(lambda: stream.next().events, interval_s=0)
    assert [bson.decode(event)["documentKey"] for event in batch] == [{"_id": "end"}]


def test_documents_as_large_as_they_may_be(mongo: ReplicaSet, files: Db, start: Callable[[], ResumeToken]) -> None:
    token = start()
    files.files.insert_one({"_id": 1, "text": "x" * JUST_UNDER_16_MB})
    files.files.replace_one({"_id": 1}, {"text": "y" * JUST_UNDER_16_MB})
    files.files.update_one({"_id": 1}, {"$unset": {"text": 1}})
    files.files.update_one({"_id": 1}, {"$set": {"text": "z" * JUST_UNDER_16_MB}})
    files.files.delete_one({"_id": 1})
    insert(files, "end")(None)
    # The document is gone when it is looked up, so that the updates are small enough, but for the second one with what it sets.
    assert summary(read_after(stream_settings(mongo, files.name, **IMAGES), token, "end")) == [
        ("insert", 1, []),
        ("replace", 1, DOCUMENTS),
        ("update", 1, []),
        ("update", 1, []),
        ("delete", 1, []),
        ("insert", "end", []),
    ]


@pytest.mark.parametrize("server", ["mongo", "failing_mongo", "splitting_mongo"])
def test_a_reply_that_is_too_large_although_none_of_its_events_is(server: str, prefix: str, request: pytest.FixtureRequest) -> None:
    """Beside the events it holds the token after them, which is twice as long as an `_id`.

    A mongod 6.0.5 closes the connection then, or gives an error if it's one for tests; a newer one puts less into a reply.
    """
    mongo: ReplicaSet = request.getfixturevalue(server)
    settings = stream_settings(mongo, prefix)
    token = Timeline(settings).now()
    ids = ["k" * MEGABYTE + str(number) for number in range(8)]
    with mongo.client() as client:
        client[prefix].files.insert_many([{"_id": _id, "text": "x" * MEGABYTE} for _id in ids])
        if server == "mongo":
            with pytest.raises(Outage):
                read_after(settings, token, ids[-1])
        events = read_after(settings, token, ids[-1], cut_off=server == "mongo")
        client.drop_database(prefix)
    assert summary(events) == [("insert", _id, []) for _id in ids]


def test_an_event_that_fits_into_no_reply(mongo: ReplicaSet, files: Db, start: Callable[[], ResumeToken]) -> None:
    """Its token, twice as long as the `_id`, is in a reply twice."""
    token = start()
    large = "k" * 3 * MEGABYTE
    files.files.insert_many([{"_id": "before"}, {"_id": large}])
    settings = stream_settings(mongo, files.name)
    with pytest.raises(Outage):
        read_after(settings, token, large)
    events = read_after(settings, token, large, cut_off=True)
    assert summary(events) == [("insert", "before", []), ("insert", large, ["fullDocument"])]
    files.files.insert_many([{"_id": "k" * 5 * MEGABYTE}, {"_id": 2}])
    with pytest.raises(UndeliverableEvent, match="even without"):
        read_after(settings, token, 2, cut_off=True)


def test_connections_closed_by_chance_cost_no_event_its_documents(failing_mongo: ReplicaSet, prefix: str) -> None:
    settings = stream_settings(failing_mongo, prefix)
    token = Timeline(settings).now()
    with failing_mongo.client() as client:
        client[prefix].users.insert_one({"_id": 1})
        for times in range(1, 5):  # of reading it, and reading it bare
            closing = failing(client, "getMore", app=settings.kafka_client_id, times=times, closeConnection=True)
            with closing as point, pytest.raises(Outage):
                read_after(settings, token, 1, cut_off=True)
            assert point.strikes == min(times, 3)
        assert summary(read_after(settings, token, 1, cut_off=True)) == [("insert", 1, [])]
        client.drop_database(prefix)


@pytest.mark.parametrize("server", ["mongo", "splitting_mongo"])
def test_the_key_alone_is_too_large(server: str, prefix: str, request: pytest.FixtureRequest) -> None:
    """No event of such a document can be had at all; with its collection left out the rest can be."""
    mongo: ReplicaSet = request.getfixturevalue(server)
    settings = stream_settings(mongo, prefix)
    token = Timeline(settings).now()
    with mongo.client() as client:
        client[prefix].users.insert_one({"_id": "before"})
        client[prefix].files.insert_one({"_id": "k" * 6 * MEGABYTE})
        client[prefix].users.insert_one({"_id": "end"})
        with opened(settings, token) as stream:
            [event] = read_until(stream, "before")
            with pytest.raises(UndeliverableEvent, match="even without fullDocument, updateDescription") as raised:
                read_until(stream, "end")
        assert "exclude_collections" in raised.value.hint
        assert "kkk" not in str(raised.value)
        without = stream_settings(mongo, prefix, exclude_collections=["files"])
        assert summary(read_after(without, event["_id"], "end")) == [("insert", "end", [])]
        client.drop_database(prefix)


def test_a_server_that_splits_gives_everything(splitting: Db, splitting_mongo: ReplicaSet) -> None:
    settings = stream_settings(splitting_mongo, splitting.name, **IMAGES)
    token = Timeline(settings).now()
    splitting.files.insert_one({"_id": "large", "text": LARGE, "n": 0})
    grow(splitting, "large")(None)
    in_transaction(splitting.client, insert(splitting, 1), grow(splitting, "large"), grow(splitting, "large"), insert(splitting, 2))
    insert(splitting, "end")(None)
    events = read_after(settings, token, "end")
    assert summary(events) == [
        ("insert", "large", []),
        ("update", "large", []),
        ("insert", 1, []),
        ("update", "large", []),
        ("update", "large", []),
        ("insert", 2, []),
        ("insert", "end", []),
    ]
    assert [event["fullDocumentBeforeChange"]["n"] for event in events if event["operationType"] == "update"] == [0, 1, 2]
    for number, event in enumerate(events[:-1]):
        assert summary(read_after(settings, event["_id"], "end")) == summary(events[number + 1 :])


def test_a_field_that_fits_into_no_fragment(splitting: Db, splitting_mongo: ReplicaSet) -> None:
    """Error 7182500: a fragment holds the event's token twice, and nothing that is larger than the rest."""
    settings = stream_settings(splitting_mongo, splitting.name)
    token = Timeline(settings).now()
    large = "k" * (3 * MEGABYTE)
    insert(splitting, "before")(None)
    splitting.files.insert_many([{"_id": large + str(number), "text": "x" * 8 * MEGABYTE} for number in range(2)])
    insert(splitting, "between")(None)
    splitting.files.update_one({"_id": large + "0"}, {"$set": {"n": 1}})
    insert(splitting, "end")(None)
    expected = [
        ("insert", "before", []),
        ("insert", large + "0", ["fullDocument"]),
        ("insert", large + "1", ["fullDocument"]),
        ("insert", "between", []),
        ("update", large + "0", ["fullDocument"]),
        ("insert", "end", []),
    ]
    events = read_after(settings, token, "end")
    assert summary(events) == expected
    for number in (1, 4):  # an event that the server measures again when it looks for the position, and fails again
        assert summary(read_after(settings, events[number]["_id"], "end")) == expected[number + 1 :]


def test_any_mixture(mongo: ReplicaSet, files: Db, start: Callable[[], ResumeToken], rng: Random) -> None:
    """Read with interruptions: a new stream goes on where the last one was dropped."""
    for _id in ("large 1", "large 2"):
        files.files.insert_one({"_id": _id, "text": LARGE})
    token, expected = start(), []
    for number in range(12):
        chosen = rng.choices(["large 1", "large 2", None], [1, 1, 3], k=rng.randint(1, 4))
        names = [_id or f"small {number} {each}" for each, _id in enumerate(chosen)]
        writes = [grow(files, _id) if _id.startswith("large") else insert(files, _id) for _id in names]
        if rng.random() < 0.5:
            in_transaction(files.client, *writes)
        else:
            for write in writes:
                write(None)
        expected += [("update", _id, DOCUMENTS) if _id.startswith("large") else ("insert", _id, []) for _id in names]
    insert(files, "end")(None)
    expected.append(("insert", "end", []))
    settings, events = stream_settings(mongo, files.name, **IMAGES), list[Document]()
    while not any(id_of(event) == "end" for event in events):
        events += read_some(settings, token, rng.randint(1, 6))
        token = events[-1]["_id"] if events else token
    assert summary(events) == expected


def read_some(settings: Settings, token: ResumeToken, replies: int) -> list[Document]:
    """Return the events of so many replies."""
    with opened(settings, token) as stream:
        return [event for _ in range(replies) for event in decoded(stream.next())]
