"""Points where a stream can go on: any position whose event MongoDB holds, whatever the settings have been changed to since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tests.support.mongodb_faults import roll_oplog_over
from tests.support.mongodb_transactions import in_transaction
from tests.support.streams import decoded, id_of, opened, read_after, read_until, stream_settings
from watcher.config import Settings
from watcher.errors import PositionLost
from watcher.model import ResumeToken
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.mongodb.selection import VERSION
from watcher.mongodb.timeline import PositionRefused, Timeline
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.mongodb_fixtures", "tests.support.splitting_mongod"]

Document = dict[str, Any]
Db = Database[Document]

LARGE = "x" * 10_000_000
IMAGES: Document = {"full_document_before_change": "whenAvailable"}


@pytest.fixture(params=["failing_mongo", "splitting_mongo"])
def mongo(request: pytest.FixtureRequest) -> ReplicaSet:
    """Each of the two servers."""
    server: ReplicaSet = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def mongo_client(mongo: ReplicaSet) -> Iterator[MongoClient[Document]]:
    """A client of it."""
    with mongo.client() as client:
        yield client


def ids(events: list[Document]) -> list[Any]:
    return [id_of(event) for event in events]


def position_after(settings: Settings, db: Db, _id: Any, start: ResumeToken) -> ResumeToken:
    """The token of that document's first event, as a worker saves it."""
    return next(event["_id"] for event in read_after(settings, start, _id) if id_of(event) == _id)


def now(settings: Settings) -> ResumeToken:
    return Timeline(settings).now()


NARROWED = [
    pytest.param({"watch_collections": ["users"]}, id="watch"),
    pytest.param({"watch_collections": ["us*"]}, id="watch-glob"),
    pytest.param({"exclude_collections": ["orders"]}, id="exclude"),
    pytest.param({"exclude_collections": ["o*"], "exclude_fields": ["users.x"]}, id="exclude-glob-and-fields"),
]


@pytest.mark.parametrize("narrowed", NARROWED)
def test_a_narrowed_filter_goes_on_at_its_position(narrowed: Document, mongo: ReplicaSet, database: str, db: Db) -> None:
    wide = stream_settings(mongo, database)
    start = now(wide)
    db.users.insert_one({"_id": "before"})
    db.orders.insert_one({"_id": "last delivered"})
    token = position_after(wide, db, "last delivered", start)
    db.orders.insert_one({"_id": "not wanted"})
    db.users.insert_one({"_id": "after", "x": 1})
    db.users.insert_one({"_id": "end", "x": 1})
    settings = stream_settings(mongo, database, **narrowed)
    assert ids(read_after(settings, token, "end")) == ["after", "end"]
    assert Timeline(settings).after(token) == token


def test_all_positions_after_a_narrowed_one_are_good_ones(mongo: ReplicaSet, database: str, db: Db) -> None:
    wide, narrow = stream_settings(mongo, database), stream_settings(mongo, database, watch_collections=["users"])
    start = now(wide)
    db.orders.insert_one({"_id": 0})
    token = position_after(wide, db, 0, start)
    with opened(narrow, token) as stream:
        assert stream.next().token["_data"] >= token["_data"]  # never a step back, while nothing comes
        for number in range(1, 4):
            db.orders.insert_one({"_id": -number})
            db.users.insert_one({"_id": number})
            [event] = read_until(stream, number)
            assert id_of(event) == number
            token = event["_id"]
    db.users.insert_one({"_id": 4})
    assert ids(read_after(narrow, token, 4)) == [4]


def test_an_idle_stream_is_gone_on_with_when_the_first_event_comes(mongo: ReplicaSet, database: str, db: Db) -> None:
    """The server looks for the position's event only then, and the position may have moved without events meanwhile."""
    wide, narrow = stream_settings(mongo, database), stream_settings(mongo, database, watch_collections=["users"])
    start = now(wide)
    db.orders.insert_one({"_id": 0})
    token = position_after(wide, db, 0, start)
    with opened(narrow, token) as stream:
        while stream.next().token == token:
            db.client[f"{database}_other"].things.insert_one({})
        db.client.drop_database(f"{database}_other")
        db.users.insert_one({"_id": 1})
        assert ids(read_until(stream, 1)) == [1]


def inserted(db: Db, number: int) -> Callable[[ClientSession], object]:
    return lambda session: (db.orders if number % 2 else db.users).insert_one({"_id": number}, session=session)


def test_a_position_within_a_transaction(mongo: ReplicaSet, database: str, db: Db) -> None:
    wide, narrow = stream_settings(mongo, database), stream_settings(mongo, database, exclude_collections=["orders"])
    db.orders.insert_one({"_id": "not in it"})
    db.users.insert_one({"_id": "neither"})
    start = now(wide)
    in_transaction(db.client, *(inserted(db, number) for number in range(6)))
    db.users.insert_one({"_id": "end"})
    for number in range(6):
        token = position_after(wide, db, number, start)
        later = [each for each in range(number + 1, 6) if each % 2 == 0]
        assert ids(read_after(narrow, token, "end")) == [*later, "end"]


def test_the_end_of_a_database_under_a_narrowed_filter(mongo: ReplicaSet, database: str, db: Db) -> None:
    wide, narrow = stream_settings(mongo, database), stream_settings(mongo, database, watch_collections=["users"])
    start = now(wide)
    db.orders.insert_one({"_id": 0})
    db.client.drop_database(database)
    tokens = {}
    with opened(wide, start) as stream:
        while "invalidate" not in tokens:
            tokens |= {event["operationType"]: event["_id"] for event in decoded(stream.next())}
    db.users.insert_one({"_id": 1})
    assert ids(read_after(narrow, tokens["invalidate"], 1)) == [1]
    for operation in ("insert", "drop"):
        with opened(narrow, tokens[operation]) as stream:
            batch = stream.next()
            while not batch.ended:
                batch = stream.next()
        assert batch.token == tokens["invalidate"]


def test_a_position_that_is_none_of_this_server_stays_lost(mongo: ReplicaSet, database: str, db: Db) -> None:
    """A younger replica set would start at any time before it, and nobody would see what is missing."""
    wide, narrow = stream_settings(mongo, database), stream_settings(mongo, database, watch_collections=["users"])
    start = now(wide)
    db.orders.insert_one({"_id": 0})
    token = position_after(wide, db, 0, start)
    db.users.insert_one({"_id": "end"})
    for foreign in (later(token, seconds=-3600), later(token, uuid="00" * 4)):
        for settings in (wide, narrow):
            with pytest.raises(PositionLost, match="error 280"):
                read_after(settings, foreign, "end")
            with pytest.raises(PositionRefused):
                Timeline(settings).after(foreign)


def later(token: ResumeToken, seconds: int = 0, uuid: str = "") -> ResumeToken:
    """A token of another time, or of another collection at the same time."""
    data = token["_data"]
    data = f"{data[:2]}{int(data[2:10], 16) + seconds:08X}{data[10:]}"
    at = data.index("5A1004") + 6
    return {"_data": data[:at] + uuid + data[at + len(uuid) :]}


def test_a_position_that_the_oplog_has_rolled_past_is_lost(failing_mongo: ReplicaSet, prefix: str) -> None:
    wide, narrow = stream_settings(failing_mongo, prefix), stream_settings(failing_mongo, prefix, watch_collections=["users"])
    with failing_mongo.client() as client:
        start = now(wide)
        client[prefix].orders.insert_one({"_id": 0})
        token = position_after(wide, client[prefix], 0, start)
        client[prefix].users.insert_one({"_id": "lost"})
        roll_oplog_over(failing_mongo)
        client[prefix].users.insert_one({"_id": "end"})
        with pytest.raises(PositionLost):
            read_after(narrow, token, "end")
        with closing(ResumingStream(narrow)) as stream:
            stream.open_by_time(token)
            with pytest.raises(PositionLost, match="error 286"):  # unless the whole replica set is younger than the position
                stream.next()
        client.drop_database(prefix)


def test_a_split_event_that_comes_whole_later(splitting: Db, splitting_mongo: ReplicaSet) -> None:
    """The open case of old: the position is the last fragment's, and the document is small by the next start."""
    settings = stream_settings(splitting_mongo, splitting.name, **IMAGES)
    splitting.files.insert_one({"_id": "large", "text": LARGE})
    start = now(settings)
    splitting.files.update_one({"_id": "large"}, {"$set": {"n": 1}})
    [event] = read_after(settings, start, "large")
    assert event["fullDocument"]["text"] == event["fullDocumentBeforeChange"]["text"] == LARGE
    token = event["_id"]
    splitting.files.insert_one({"_id": 1})
    assert ids(read_after(settings, token, 1)) == [1]
    plain = stream_settings(splitting_mongo, splitting.name)
    assert ids(read_after(plain, token, 1)) == [1]
    narrow = stream_settings(splitting_mongo, splitting.name, watch_collections=["users"])
    splitting.users.insert_one({"_id": "of users"})
    assert ids(read_after(narrow, token, "of users")) == ["of users"]
    splitting.files.update_one({"_id": "large"}, {"$set": {"text": ""}})
    splitting.files.insert_one({"_id": 2})
    assert ids(read_after(settings, token, 2)) == [1, "of users", "large", 2]
    assert Timeline(settings).after(token) == token


def test_a_whole_event_that_is_split_later(splitting: Db, splitting_mongo: ReplicaSet) -> None:
    plain, settings = (stream_settings(splitting_mongo, splitting.name, **options) for options in ({}, IMAGES))
    splitting.files.insert_one({"_id": "large", "text": LARGE})
    start = now(plain)
    splitting.files.update_one({"_id": "large"}, {"$set": {"n": 1}})
    [event] = read_after(plain, start, "large")
    splitting.files.insert_one({"_id": 1})
    assert ids(read_after(settings, event["_id"], 1)) == [1]


def test_a_position_of_before_an_upgrade(splitting: Db, splitting_mongo: ReplicaSet) -> None:
    """A server that cannot split writes its tokens in another version, as this one does where it is not asked to split."""
    splitting.orders.insert_one({"_id": 0})
    with splitting.watch() as plain:
        in_transaction(splitting.client, *(inserted(splitting, number) for number in range(1, 6)))
        tokens = [next(plain)["_id"] for _ in range(5)]
    splitting.users.insert_one({"_id": "end"})
    narrow = stream_settings(splitting_mongo, splitting.name, watch_collections=["users"])
    for number, token in enumerate(tokens, start=1):
        assert token["_data"][VERSION] == "2B02"
        later = [each for each in range(number + 1, 6) if each % 2 == 0]
        events = read_after(narrow, token, "end")
        assert ids(events) == [*later, "end"]
        assert events[-1]["_id"]["_data"][VERSION] == "2B04"
