"""Row 39: the position is lost, and on_position_lost = "snapshot".

Goal: the gap is told, and then everything is copied. A consumer that goes by the messages, and in the end removes what the snapshot
did not hold, has what MongoDB holds. When the position is lost during a snapshot, that one is aborted, and another one begins.
Method: the position topic is deleted while the worker is down; error 286 by the fail point failCommand at the opening and in
mid-copy. Meanwhile documents are inserted, updated and deleted that no message will tell of.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.kafka_topics import delete_topic
from tests.support.mongodb_faults import failing
from tests.support.snapshot_messages import Message, completed, copy_of, operations, rows, source_of, steps_back
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.errors import ExitCode
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.mongodb_fixtures"]

Document = dict[str, Any]
HISTORY_LOST = 286
COLLECTIONS = ("organizations", "users")
NEXT_MILLION = 1_000_000


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points."""
    return failing_mongo


@pytest.fixture
def copying(settings: Document) -> Document:
    """With the policy."""
    return settings | {"snapshot_mode": "initial", "on_position_lost": "snapshot"}


@pytest.fixture
def load(db: Database[Any], rng: Random) -> VersionedLoad:
    """Two collections of documents."""
    load = VersionedLoad(db, [*TOLD_APART, *(f"d{number}" for number in range(400))], COLLECTIONS, seed=rng.randrange(2**32))
    load.fill()
    return load


def with_removal(messages: list[Message]) -> dict[str, int]:
    """The copy of a consumer that removes what a complete snapshot of a collection did not hold."""
    last = operations(messages, "snapshotCompleted")[-1]
    done = {
        end["collection"]
        for end in operations(messages, "snapshotCollectionCompleted")
        if end["snapshot"] == last["snapshot"] and not end["filtered"]
    }
    since = last["startedSequence"]
    kept = [each for each in messages if each.get("collection") not in done or each["sequence"] > since]
    return copy_of(kept)


def check_removal(inbox: Inbox, db: Database[Any]) -> list[Message]:
    """Wait until a consumer's copy is MongoDB's."""
    source = source_of(db)
    eventually(lambda: with_removal(inbox.messages()) == source, 30, interval_s=0.3)
    messages = inbox.messages()
    assert steps_back(messages) == []
    return messages


def check_numbers(messages: list[Message]) -> None:
    """They run on over the gap."""
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))


def gaps_and_snapshots(messages: list[Message]) -> list[str]:
    """Their operations, in order."""
    names = ("gap", "snapshotStarted", "snapshotAborted", "snapshotCompleted")
    return [message["operationType"] for message in operations(messages, *names)]


def test_the_position_topic_is_deleted(
    launch: Launch,
    copying: Document,
    inbox: Inbox,
    apache: ApacheKafka,
    db: Database[Any],
    load: VersionedLoad,
    fault_report: FaultReport,
) -> None:
    worker = launch(copying)
    before = completed(inbox)
    assert worker.stop() == 0
    delete_topic(apache, f"{copying['kafka_client_id']}.position")
    db.users.delete_many({"_id": {"$gt": "d2"}})
    with load:
        worker.start().reached()
        completed(inbox, snapshots=2)
    messages = check_removal(inbox, db)
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "snapshotCompleted", "gap", "snapshotStarted", "snapshotCompleted"]
    assert operations(messages, "gap")[0]["sequence"] == NEXT_MILLION + 1
    second = operations(messages, "snapshotStarted")[1]
    assert (second["reason"], second["snapshotOperation"]) == ("position lost", "replace")
    assert {row["operationType"] for row in rows(messages[len(before) :])} == {"replace"}
    fault_report.measure(worker.pid)
    fault_report.count(faults=1, writes=load.writes, messages=len(messages))
    assert worker.stop() == 0, worker.output


def test_the_oplog_has_lost_the_position(
    launch: Launch,
    copying: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    db: Database[Any],
    load: VersionedLoad,
    fault_report: FaultReport,
) -> None:
    worker = launch(copying)
    completed(inbox)
    assert worker.stop() == 0
    db.users.delete_many({"_id": {"$gt": "d2"}})
    with load:
        with failing(mongo_client, "aggregate", app=copying["kafka_client_id"], times=1, errorCode=HISTORY_LOST):
            worker.start().reached()
        completed(inbox, snapshots=2)
    messages = check_removal(inbox, db)
    check_numbers(messages)
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "snapshotCompleted", "gap", "snapshotStarted", "snapshotCompleted"]
    fault_report.measure(worker.pid)
    fault_report.count(faults=1, writes=load.writes, messages=len(messages))
    assert worker.stop() == 0, worker.output


def test_the_oplog_has_lost_the_position_during_a_snapshot(
    launch: Launch,
    copying: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    db: Database[Any],
    load: VersionedLoad,
    fault_report: FaultReport,
) -> None:
    """A second time within the hour it is a fault."""
    lost = {"app": copying["kafka_client_id"], "times": 1, "errorCode": HISTORY_LOST}
    worker = launch(copying | {"snapshot_documents_per_second": 300})
    worker.reached()
    eventually(lambda: worker.status["sequence"] > 100)
    with load:
        with failing(mongo_client, "getMore", **lost):
            eventually(lambda: operations(inbox.messages(), "gap"), interval_s=0.3)
        completed(inbox)
    messages = check_removal(inbox, db)
    check_numbers(messages)
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "gap", "snapshotAborted", "snapshotStarted", "snapshotCompleted"]
    fault_report.measure(worker.pid)
    with failing(mongo_client, "getMore", **lost):
        assert worker.wait() == ExitCode.POSITION_LOST
    assert len(operations(inbox.messages(), "gap")) == 1
    fault_report.count(faults=2, writes=load.writes, messages=len(messages))
