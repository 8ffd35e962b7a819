"""Row 39: the position is lost, and on_position_lost = "snapshot".

Goal: the gap is told, and then everything is copied. A consumer that goes by the messages, and in the end removes what the snapshot
did not hold, has what MongoDB holds. When the position is lost during a snapshot, that one is aborted, and another one
begins if the settings want it.
Method: the position topic is deleted while the worker is down, and in mid-copy, or somebody else writes to it; error 286 by the
fail point failCommand at the opening and in mid-copy. Meanwhile documents are inserted, updated and deleted that no message will
tell of.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.doctoring import as_settings
from tests.support.fault_matrix import FaultReport
from tests.support.kafka_topics import delete_topic, write_garbage
from tests.support.mongodb_faults import failing
from tests.support.snapshot_messages import Message, completed, copy_of, operations, rows, source_of, steps_back
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.errors import ExitCode
from watcher.model import Delivered
from watcher.mongodb.timeline import Timeline
from watcher.position import snapshot_change
from watcher.position.change import change
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet
from watcher.snapshot import plan

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


CheckRemoval = Callable[..., list[Message]]


@pytest.fixture
def check_removal(inbox: Inbox, db: Database[Any], load: VersionedLoad, fault_report: FaultReport) -> CheckRemoval:
    """`check_removal(worker)`: wait until a consumer's copy is MongoDB's; counts and returns the messages."""

    def check_removal(worker: WorkerProcess, faults: int = 1) -> list[Message]:
        source = source_of(db)
        eventually(lambda: with_removal(inbox.messages()) == source, 30, interval_s=0.3)
        messages = inbox.messages()
        assert steps_back(messages) == []
        fault_report.measure(worker.pid)
        fault_report.count(faults=faults, writes=load.writes, messages=len(messages))
        return messages

    return check_removal


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
    check_removal: CheckRemoval,
) -> None:
    worker = launch(copying)
    before = completed(inbox)
    assert worker.stop() == 0
    delete_topic(apache, f"{copying['kafka_client_id']}.position")
    db.users.delete_many({"_id": {"$gt": "d2"}})
    with load:
        worker.start().reached()
        completed(inbox, snapshots=2)
    messages = check_removal(worker)
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "snapshotCompleted", "gap", "snapshotStarted", "snapshotCompleted"]
    assert operations(messages, "gap")[0]["sequence"] == NEXT_MILLION + 1
    second = operations(messages, "snapshotStarted")[1]
    assert (second["reason"], second["snapshotOperation"]) == ("position lost", "replace")
    assert {row["operationType"] for row in rows(messages[len(before) :])} == {"replace"}
    assert worker.stop() == 0, worker.output


def test_the_oplog_has_lost_the_position(
    launch: Launch,
    copying: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    db: Database[Any],
    load: VersionedLoad,
    check_removal: CheckRemoval,
) -> None:
    worker = launch(copying)
    completed(inbox)
    assert worker.stop() == 0
    db.users.delete_many({"_id": {"$gt": "d2"}})
    with load:
        with failing(mongo_client, "aggregate", app=copying["kafka_client_id"], times=1, errorCode=HISTORY_LOST):
            worker.start().reached()
        completed(inbox, snapshots=2)
    messages = check_removal(worker)
    check_numbers(messages)
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "snapshotCompleted", "gap", "snapshotStarted", "snapshotCompleted"]
    assert worker.stop() == 0, worker.output


def test_the_oplog_has_lost_the_position_during_a_snapshot(
    launch: Launch,
    copying: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    db: Database[Any],
    load: VersionedLoad,
    check_removal: CheckRemoval,
) -> None:
    """A second time within the hour it is a fault."""
    lost = {"app": copying["kafka_client_id"], "times": 1, "errorCode": HISTORY_LOST}
    worker = launch(copying | {"snapshot_documents_per_second": 150})
    worker.reached()
    eventually(lambda: rows(inbox.messages()), interval_s=0.1)
    with load:
        with failing(mongo_client, "getMore", **lost):
            eventually(lambda: operations(inbox.messages(), "gap"), interval_s=0.3)
        completed(inbox)
    messages = check_removal(worker, faults=2)
    check_numbers(messages)
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "gap", "snapshotAborted", "snapshotStarted", "snapshotCompleted"]
    with failing(mongo_client, "getMore", **lost):
        assert worker.wait() == ExitCode.POSITION_LOST
    assert len(operations(inbox.messages(), "gap")) == 1


def begin_by_command(worker: WorkerProcess, settings: Document, inbox: Inbox) -> str:
    """Begin a snapshot as `watcherctl snapshot start` does; its id, once some of it has come."""
    begun = snapshot_change.start(as_settings(settings), Delivered(), plan.begun("command", "replace", ["users"]))
    worker.signal(signal.SIGURG)
    eventually(lambda: rows(inbox.messages()), interval_s=0.3)
    return begun.id


@pytest.mark.parametrize("policy", ["restart", "snapshot"])
def test_the_position_is_unreadable_during_a_snapshot_of_a_command(
    policy: str,
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    apache: ApacheKafka,
    load: VersionedLoad,
    fault_report: FaultReport,
) -> None:
    slowly = settings | {"on_position_lost": policy, "snapshot_documents_per_second": 20}
    worker = launch(slowly)
    worker.reached()
    begun = begin_by_command(worker, slowly, inbox)
    assert worker.stop() == 0
    write_garbage(apache, f"{settings['kafka_client_id']}.position")
    worker.start().reached()
    messages = ended_messages(inbox, 30)
    check_aborted(messages, begun, further=["snapshotStarted"] if policy == "snapshot" else [])
    assert worker.stop() == 0, worker.output
    fault_report.count(faults=1, messages=len(messages))


def test_the_position_topic_is_deleted_under_a_snapshot_of_a_command(
    launch: Launch, settings: Document, inbox: Inbox, apache: ApacheKafka, load: VersionedLoad, fault_report: FaultReport
) -> None:
    slowly = settings | {"on_position_lost": "restart", "snapshot_documents_per_second": 20}
    worker = launch(slowly)
    worker.reached()
    begun = begin_by_command(worker, slowly, inbox)
    delete_topic(apache, f"{settings['kafka_client_id']}.position")
    messages = ended_messages(inbox, 60)
    check_aborted(messages, begun)
    worker.reached()
    assert worker.stop() == 0, worker.output
    fault_report.count(faults=1, messages=len(messages))


def test_a_lost_position_is_set_anew_during_a_snapshot_of_a_command(
    launch: Launch, settings: Document, inbox: Inbox, apache: ApacheKafka, load: VersionedLoad, fault_report: FaultReport
) -> None:
    slowly = settings | {"snapshot_documents_per_second": 20}
    worker = launch(slowly)
    worker.reached()
    begun = begin_by_command(worker, slowly, inbox)
    assert worker.stop() == 0
    write_garbage(apache, f"{settings['kafka_client_id']}.position")
    ours = as_settings(slowly)
    with pytest.raises(snapshot_change.SnapshotRefused, match="ended"):
        snapshot_change.alter(ours, Delivered(any=True), begun, "pause")
    change(ours, Delivered(any=True), Timeline(ours).now(), "reset")
    messages = ended_messages(inbox, 30)
    check_aborted(messages, begun, reason="the position was lost, and set anew by ")
    worker.start().reached()
    eventually(lambda: worker.status["snapshot"]["state"] == "aborted")
    assert worker.stop() == 0, worker.output
    fault_report.count(faults=1, messages=len(messages))


def ended_messages(inbox: Inbox, timeout_s: float) -> list[Message]:
    """All messages, once a snapshot is aborted."""
    return inbox.once(lambda messages: operations(messages, "snapshotAborted"), timeout_s)


def check_aborted(messages: list[Message], begun: str, *, reason: str = "changes are missing", further: Sequence[str] = ()) -> None:
    """The snapshot of this id was aborted after the gap, with what has come of it; then came the beginnings of `further` ones."""
    assert gaps_and_snapshots(messages) == ["snapshotStarted", "gap", "snapshotAborted", *further]
    [started, *_], [aborted] = operations(messages, "snapshotStarted"), operations(messages, "snapshotAborted")
    assert aborted["reason"].startswith(reason)
    assert (started["snapshot"], aborted["snapshot"], aborted["startedSequence"]) == (begun, begun, started["sequence"])
    assert aborted["documents"] == sum(row["snapshot"] == begun for row in rows(messages))
