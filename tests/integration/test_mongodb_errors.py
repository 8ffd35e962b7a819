"""Answers of a real MongoDB when something is wrong, and what a worker makes of them."""

from __future__ import annotations

import random
from contextlib import closing
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import NotPrimaryError, OperationFailure

from tests.support.mongodb_faults import failing
from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.config import Settings
from watcher.errors import ExitCode, Outage, PositionLost, UndeliverableEvent, WatcherError
from watcher.model import Batch, ResumeToken
from watcher.mongodb.change_stream import ChangeStream
from watcher.mongodb.error_codes import KINDS, TOKEN, UNKNOWN, Kind
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.mongodb_fixtures"]

Document = dict[str, Any]

HARMLESS_CODES = frozenset(range(1, 330)) - {63, 65, 121, 150, 169, 227, 236, 249, 271, 283, 284, 303, 318}
"""The fail point ends mongod with the others: some are never sent, some want more than a number, and 303 closes the connection."""


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points."""
    return failing_mongo


@pytest.fixture
def app(prefix: str) -> str:
    """The name by which fail points know the watcher."""
    return f"{prefix}-watcher"


def change_stream(mongo: ReplicaSet, database: str, app: str, **values: Any) -> ChangeStream:
    uri = mongo.uri(database)
    return ChangeStream(Settings(name="shop", mongodb_uri=uri, kafka_brokers="h:9092", kafka_client_id=app, **values))


def error_of(stream: ChangeStream, *, token: ResumeToken | None = None) -> WatcherError:
    """Return what opening and reading raises."""
    with closing(stream), pytest.raises(WatcherError) as caught:
        read(stream, token)
    return caught.value


def read(stream: ChangeStream, token: ResumeToken | None) -> None:
    """Four batches: an event may be some replies away."""
    stream.open(token)
    for _ in range(4):
        stream.next()


@pytest.mark.parametrize("command", ["aggregate", "getMore"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: next(iter(kind.codes.values())))
def test_a_code_of_each_kind_becomes_its_error(
    kind: Kind, command: str, mongo: ReplicaSet, mongo_client: MongoClient[Document], database: str, app: str
) -> None:
    code = next(iter(kind.codes))
    with failing(mongo_client, command, app=app, errorCode=code):
        error = error_of(change_stream(mongo, database, app))
    assert isinstance(error, kind.becomes)
    assert error.hint


def test_the_table_has_the_servers_own_names(mongo: ReplicaSet, mongo_client: MongoClient[Document], app: str) -> None:
    known = {code: name for kind in (*KINDS, TOKEN) for code, name in kind.codes.items() if code in HARMLESS_CODES}
    with MongoClient[Document](mongo.uri(), appname=app) as client:
        assert {code: name_of(code, mongo_client, client, app) for code in known} == known


def name_of(code: int, control: MongoClient[Document], client: MongoClient[Document], app: str) -> str:
    with failing(control, "ping", app=app, times=1, errorCode=code):
        try:
            client.admin.command("ping")
        except (OperationFailure, NotPrimaryError) as error:
            return str(dict(error.details or {}).get("codeName"))
    raise AssertionError(f"the fail point has not struck with {code}")


@pytest.mark.parametrize("setting", ["full_document", "full_document_before_change"])
def test_an_image_that_is_required_and_missing_is_no_outage(
    setting: str, mongo: ReplicaSet, db: Database[Document], database: str, app: str
) -> None:
    stream = change_stream(mongo, database, app, **{setting: "required"})
    token = stream.open(None)
    db.users.insert_one({"_id": 1})
    db.users.update_one({"_id": 1}, {"$set": {"name": "x"}})
    error = error_of(stream, token=token)
    assert isinstance(error, UndeliverableEvent)
    assert "image was not found" in str(error)
    assert "changeStreamPreAndPostImages" in error.hint


def test_a_worker_stops_for_it_and_goes_on_with_other_settings(launch: Launch, settings: Document, db: Database[Document]) -> None:
    worker = launch(settings | {"full_document": "required"})
    worker.reached()
    db.users.insert_one({"_id": 1})
    db.users.update_one({"_id": 1}, {"$set": {"name": "x"}})
    assert worker.wait() == ExitCode.UNDELIVERABLE
    assert worker.status["lastError"]["exitCode"] == ExitCode.UNDELIVERABLE
    again = launch(settings | {"full_document": "whenAvailable"})
    again.reached()
    assert again.stop() == 0


def test_tokens_that_are_none_are_lost_positions(
    mongo: ReplicaSet, db: Database[Document], database: str, app: str, seed: int
) -> None:
    """Bytes of real tokens are changed, removed and added at random: no answer to that may be taken for an outage."""
    chance = random.Random(seed)
    real = tokens(mongo, db, database, app)
    outages = set()
    for _ in range(600):
        token = {"_data": distorted(chance, bytes.fromhex(chance.choice(real))).hex().upper()}
        with closing(change_stream(mongo, database, app)) as stream:
            try:
                stream.open(token)
            except PositionLost:
                continue
            except Outage as error:
                outages.add(str(error))
    assert outages == set()


def tokens(mongo: ReplicaSet, db: Database[Document], database: str, app: str) -> list[str]:
    """Of a moment, and of changes with `_id`s of several types."""
    with closing(change_stream(mongo, database, app)) as stream:
        found = [stream.open(None)["_data"]]
        for id_ in (1, "some text", {"of": [1, 2.5, None]}):
            db.users.insert_one({"_id": id_})
            found.append(eventually(lambda: event_in(stream.next(1)))["_data"])
    return found


def event_in(batch: Batch) -> ResumeToken:
    return batch.token if batch.events else {}


def distorted(chance: random.Random, token: bytes) -> bytes:
    changed = bytearray(token)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(1, len(changed)) if len(changed) > 1 else 0
        how = chance.random()
        if how < 0.6:
            changed[at] = chance.randrange(256)
        elif how < 0.8:
            del changed[at + 1 :]
        else:
            changed.insert(at, chance.randrange(256))
    return bytes(changed)


def test_an_unknown_code_is_ridden_out_with_a_hint_that_blames_nobody(
    mongo: ReplicaSet, mongo_client: MongoClient[Document], database: str, app: str
) -> None:
    with failing(mongo_client, "aggregate", app=app, errorCode=1):
        error = error_of(change_stream(mongo, database, app))
    assert isinstance(error, Outage)
    assert (error.hint, error.code) == (UNKNOWN.hint, "InternalError")
