"""A first start with snapshot_mode = "initial": what is there already comes too, each document once, in order with the changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from bson import Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.binary import Binary
from bson.decimal128 import Decimal128
from pymongo.database import Database

from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

IDS: list[Any] = [
    MinKey(), None, -1, 0.5, 3, Int64(2**40), Decimal128("7.25"), "", "a", "ö", {}, {"a": 1}, {"a": "x"}, Binary(b"\1\2", 0),
    Binary(b"0123456789abcdef", 4), ObjectId(), False, True, datetime(2024, 1, 1), Timestamp(5, 5), float("inf"), MaxKey(),
]  # fmt: skip
"""Of all the types that an `_id` may have; some sort before all numbers, some after all texts."""


@pytest.fixture
def initial(settings: dict[str, Any]) -> dict[str, Any]:
    return settings | {"snapshot_mode": "initial"}


def completed(inbox: Inbox, timeout_s: float = 30.0) -> list[dict[str, Any]]:
    """All messages, in order, once the snapshot is complete."""

    def look() -> list[dict[str, Any]] | None:
        messages = inbox.messages()
        return messages if any(message["operationType"] == "snapshotCompleted" for message in messages) else None

    return eventually(look, timeout_s) or []


def rows(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if "snapshot" in message and "documentKey" in message]


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
    [told] = [line for line in worker.log if "no change stream" in line["event"]]
    assert told["collection"] == "some_view"
    db.users.insert_one({"_id": "afterwards"})
    eventually(lambda: any(each.get("documentKey") == {"_id": "afterwards"} for each in inbox.messages()), 10)
    assert worker.stop() == 0


def test_killed_again_and_again_while_others_write(
    launch: Launch, initial: dict[str, Any], inbox: Inbox, db: Database[Any]
) -> None:
    db.users.insert_many([{"_id": number, "version": 0} for number in range(20_000)])
    worker = launch(initial | {"snapshot_documents_per_second": 8000})
    with writing(db) as writes:
        for kill in range(4):
            worker.reached()
            reached = 1 + 3000 * kill
            eventually(lambda reached=reached: len(rows(inbox.messages())) > reached, 30)
            worker.kill()
            worker.start()
        messages = completed(inbox, 60)
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
    copied = Counter(message["documentKey"]["_id"] for message in rows(messages))
    assert set(copied.values()) == {1}
    assert writes[0] > 100
    eventually(lambda: consumed(inbox.messages()) == {each["_id"]: each["version"] for each in db.users.find()}, 20)
    assert steps_back(inbox.messages()) == []


@contextmanager
def writing(db: Database[Any]) -> Iterator[list[int]]:
    """Update, delete and insert documents meanwhile; the list holds the number of writes."""
    stop, writes = threading.Event(), [0]

    def write() -> None:
        version = 0
        while not stop.wait(0.002):
            version += 1
            key = version * 7919 % 20_000
            if version % 10 == 0:
                db.users.delete_one({"_id": key})
            else:
                db.users.update_one({"_id": key}, {"$set": {"version": version}}, upsert=True)
            writes[0] = version

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield writes
    finally:
        stop.set()
        thread.join()


def in_order(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((each for each in messages if "documentKey" in each), key=lambda message: int(message["sequence"]))


def consumed(messages: list[dict[str, Any]]) -> dict[Any, int]:
    """The versions of a consumer's copy."""
    copy: dict[Any, int] = {}
    for message in in_order(messages):
        if message["operationType"] == "delete":
            copy.pop(message["documentKey"]["_id"], None)
        elif message["fullDocument"] is not None:
            copy[message["documentKey"]["_id"]] = message["fullDocument"]["version"]
    return copy


def steps_back(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, and the events after rows, that lead back."""
    copy: dict[Any, tuple[int, bool]] = {}
    back = []
    for message in in_order(messages):
        key, row = message["documentKey"]["_id"], "snapshot" in message
        if message["operationType"] == "delete":
            copy.pop(key, None)
        elif message["fullDocument"] is not None:
            version = message["fullDocument"]["version"]
            known, by_row = copy.get(key, (0, False))
            if known > version and (row or by_row):
                back.append(message)
            copy[key] = (version, row)
    return back


def test_the_status_tells_how_far_it_is_and_the_allowed_rate_is_held(
    launch: Launch, initial: dict[str, Any], inbox: Inbox, db: Database[Any]
) -> None:
    db.orders.insert_many([{"_id": number} for number in range(500)])
    db.users.insert_many([{"_id": number} for number in range(17_500)])
    worker = launch(initial | {"snapshot_documents_per_second": 2000})
    worker.reached()
    first, last = (eventually(lambda least=least: delivered(worker.status, least), 30) or {} for least in (1000, 15_000))
    snapshots = [status["snapshot"] for status in (first, last)]
    seconds = (at(last["updatedAt"]) - at(first["updatedAt"])).total_seconds()
    rate = (snapshots[1]["documents"] - snapshots[0]["documents"]) / seconds
    assert rate == pytest.approx(2000, rel=0.05)
    assert 1000 < snapshots[1]["documentsPerSecond"] < 2100  # on average since the beginning, when none came yet
    assert 0 < snapshots[1]["secondsLeft"] < 3
    assert (snapshots[1]["state"], snapshots[1]["collection"], snapshots[1]["collections"]) == ("running", "users", 2)
    assert (snapshots[1]["collectionsDone"], snapshots[1]["estimate"], snapshots[1]["collectionEstimate"]) == (1, 18_000, 17_500)
    messages = completed(inbox)
    ended = eventually(lambda: snapshot if (snapshot := worker.status["snapshot"])["state"] == "completed" else None, 10) or {}
    assert (ended["documents"], ended["error"], ended["id"]) == (18_000, None, messages[0]["snapshot"])
    told = [(line["event"], line.get("collection"), line["documents"]) for line in worker.log if "snapshot" in line]
    assert told == [
        ("the snapshot begins", None, 0),
        ("the collection is copied", "orders", 500),
        ("the collection is copied", "users", 17_500),
        ("the snapshot is completed", None, 18_000),
    ]
    assert worker.stop() == 0
    assert worker.status["snapshot"] == ended
    worker.start()
    worker.reached()
    assert worker.status["snapshot"] == ended


def delivered(status: dict[str, Any], least: int) -> dict[str, Any] | None:
    """The worker's status, once so many of a snapshot's documents are delivered."""
    return status if status.get("snapshot") and status["snapshot"]["documents"] >= least else None


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)
