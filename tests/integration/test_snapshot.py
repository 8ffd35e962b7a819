"""A first start with snapshot_mode = "initial": what is there already comes too, each document once, in order with the changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.snapshot_messages import completed, rows
from tests.support.versioned_load import IDS
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]


@pytest.fixture
def initial(settings: dict[str, Any]) -> dict[str, Any]:
    return settings | {"snapshot_mode": "initial"}


def test_all_types_of_ids(launch: Launch, initial: dict[str, Any], inbox: Inbox, db: Database[Any]) -> None:
    db.users.insert_many([{"_id": key, "n": number} for number, key in enumerate(IDS)])
    db.orders.insert_many([{"_id": number} for number in range(5000)])
    db.create_collection("empty")
    db.create_collection("some_view", viewOn="users", pipeline=[])
    worker = launch(initial)
    worker.reached()
    messages = completed(inbox)
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
    assert messages[0]["operationType"] == "snapshotStarted"
    assert messages[0]["reason"] == "initial"
    assert Counter(message["collection"] for message in rows(messages)) == {"users": len(IDS), "orders": 5000}
    assert {message["fullDocument"]["n"] for message in rows(messages) if message["collection"] == "users"} == set(range(len(IDS)))
    assert {message["operationType"] for message in rows(messages)} == {"insert"}
    ends = [(each["collection"], each["documents"]) for each in messages if each["operationType"] == "snapshotCollectionCompleted"]
    assert ends == [("empty", 0), ("orders", 5000), ("users", len(IDS))]
    assert messages[-1]["documents"] == 5000 + len(IDS)
    assert len({message["eventId"] for message in rows(messages)}) == 5000 + len(IDS)
    db.users.insert_one({"_id": "afterwards"})
    eventually(lambda: any(each.get("documentKey") == {"_id": "afterwards"} for each in inbox.messages()))
    assert worker.stop() == 0
    [told] = [line for line in worker.log if "no change stream" in line["event"]]
    assert told["collection"] == "some_view"


def test_a_query_that_mongodb_refuses_is_found_at_the_start(launch: Launch, initial: dict[str, Any], db: Database[Any]) -> None:
    db.aaa.insert_many([{"_id": number} for number in range(100)])
    worker = launch(initial | {"snapshot_filter": {"users": '{"a": {"$gtt": 1}}'}})
    assert worker.wait() == 78
    [told] = worker.logged("error")
    assert told["event"].startswith("snapshot_filter.users: ")
    assert "$gtt" in told["event"]
    assert "[snapshot_filter]" in told["hint"]


def test_the_log_says_when_nothing_is_copied(launch: Launch, settings: dict[str, Any], inbox: Inbox, db: Database[Any]) -> None:
    db.users.insert_one({"_id": 1})
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    [told] = [line for line in worker.log if "not copied" in line["event"]]
    assert 'snapshot_mode = "initial"' in told["hint"]
    worker = launch(settings | {"snapshot_mode": "initial"})
    worker.reached()
    db.users.insert_one({"_id": 2})
    eventually(lambda: [each["documentKey"]["_id"] for each in inbox.messages()] == [2])
    assert worker.stop() == 0
    [told] = [line for line in worker.log if "no initial snapshot" in line["event"]]
    assert "first start" in told["hint"]


def test_a_worker_after_the_initial_snapshot_says_nothing_of_one(
    launch: Launch, initial: dict[str, Any], inbox: Inbox, db: Database[Any]
) -> None:
    db.users.insert_one({"_id": 1})
    worker = launch(initial)
    worker.reached()
    completed(inbox)
    assert worker.stop() == 0
    worker.start()
    worker.reached()
    db.users.insert_one({"_id": 2})
    eventually(lambda: [each["documentKey"]["_id"] for each in inbox.messages() if "documentKey" in each] == [1, 2])
    assert worker.stop() == 0
    second_life = worker.log[max(place for place, line in enumerate(worker.log) if line["event"] == "starting") :]
    assert not [line for line in second_life if "snapshot" in line["event"]]


def test_a_query_that_fails_on_a_document_ends_the_snapshot_and_not_the_stream(
    launch: Launch, initial: dict[str, Any], inbox: Inbox, db: Database[Any]
) -> None:
    db.users.insert_many([{"_id": 1, "age": "7"}, {"_id": 2, "age": "old"}])
    worker = launch(initial | {"snapshot_filter": {"users": '{"$expr": {"$gt": [{"$toInt": "$age"}, 1]}}'}})
    worker.reached()
    aborted = eventually(lambda: [each for each in inbox.messages() if each["operationType"] == "snapshotAborted"], 30) or []
    assert "the filter of users fails on a document" in aborted[0]["reason"]
    db.users.insert_one({"_id": 3})
    eventually(lambda: any(each.get("documentKey") == {"_id": 3} for each in inbox.messages()))
    eventually(lambda: worker.status["snapshot"]["state"] == "aborted")
    assert worker.stop() == 0
