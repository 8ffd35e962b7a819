"""A worker's account of snapshots: what is delivered, what is left, why it waits, and what the log says."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.still_clock import StillClock
from watcher.model import Notice, Snapshot
from watcher.status.snapshot_status import SnapshotStatus
from watcher.worker.reporting import snapshots as module
from watcher.worker.reporting.snapshots import COLLECTION_COMPLETED, Snapshots

NEW = Snapshot("snapshot-1", "insert", "initial", "2024-01-01T12:00:00.000Z")
BEGUN = replace(NEW, started_sequence=1)
COUNTS = {"a": 100, "b": 0, "users": 20_000}
USERS = replace(BEGUN, reached="users", collection="users", documents=90)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> StillClock:
    caplog.set_level(logging.INFO)
    clock = StillClock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


@pytest.fixture
def snapshots(clock: StillClock) -> Snapshots:
    """In the middle of `users`, in the process that began it."""
    snapshots = Snapshots(None)
    snapshots.opened(None)
    snapshots.counted(COUNTS)
    snapshots.delivered(BEGUN, 0)
    snapshots.delivered(USERS, 0)
    return snapshots


def shown(snapshots: Snapshots) -> SnapshotStatus:
    status = snapshots.status()
    assert status
    return status


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def further(rows: int, **changes: Any) -> Snapshot:
    return replace(USERS, documents=90 + rows, in_collection=rows, **changes)


def test_without_a_snapshot_there_is_nothing(clock: StillClock) -> None:
    snapshots = Snapshots(None)
    snapshots.opened(None)
    assert snapshots.status() is None


def test_what_is_delivered_and_what_is_left(snapshots: Snapshots, clock: StillClock) -> None:
    assert shown(snapshots).documents_per_second == 0
    clock.now += 2
    snapshots.delivered(further(5000), 0)
    status = shown(snapshots)
    assert (status.state, status.reason, status.collection) == ("running", "initial", "users")
    assert (status.collection_documents, status.collection_estimate) == (5000, 20_000)
    assert (status.collections_done, status.collections) == (2, 3)
    assert (status.documents, status.estimate) == (5090, 20_100)
    assert (status.documents_per_second, status.seconds_left) == (2500, 6.0)
    assert status.started_at == datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert status.ended_at is status.error is status.waits_for is None
    assert snapshots.documents == 5090


def test_the_begin_is_told_once(clock: StillClock, caplog: pytest.LogCaptureFixture) -> None:
    snapshots = Snapshots(None)
    snapshots.counted(COUNTS)
    for snapshot in (NEW, BEGUN, BEGUN, USERS):
        snapshots.delivered(snapshot, 0)
    assert lines(caplog) == [("INFO", "the snapshot begins")]
    told = vars(caplog.records[0])
    assert (told["snapshot"], told["reason"], told["collections"], told["estimate"]) == ("snapshot-1", "initial", 3, 20_100)


def test_an_estimate_is_never_less_than_what_is_there(snapshots: Snapshots) -> None:
    snapshots.delivered(further(30_000), 0)
    assert (shown(snapshots).collection_estimate, shown(snapshots).estimate) == (30_000, 30_090)


def test_where_a_query_chooses_nobody_can_tell(snapshots: Snapshots) -> None:
    snapshots.delivered(further(10, filters={"users": "{}"}), 0)
    status = shown(snapshots)
    assert status.collection_estimate is status.estimate is status.seconds_left is None


def test_a_query_may_be_for_a_collection_of_each_database(clock: StillClock) -> None:
    snapshots = Snapshots(None, "{}.{}".format)
    snapshots.counted({"t1.orders": 10, "t1.users": 10, "t2.users": 10})
    snapshots.delivered(further(3, collection="t1.users", reached="t1.users", filters={"users": "{}"}), 0)
    status = shown(snapshots)
    assert status.collection_estimate is status.estimate is status.seconds_left is None
    assert [(each.name, each.estimate) for each in status.by_collection] == [
        ("t1.orders", None), ("t1.users", None), ("t2.users", None)
    ]  # fmt: skip
    snapshots.delivered(further(3, collection="t1.users", reached="t1.users", filters={"t2.users": "{}"}), 0)
    assert (shown(snapshots).collection_estimate, shown(snapshots).estimate) == (10, None)


def test_a_reason_to_wait_is_told_once_documents_fail_to_come(snapshots: Snapshots, clock: StillClock) -> None:
    snapshots.waits("the stream is behind")
    assert shown(snapshots).waits_for is None
    clock.now += 1.5
    assert shown(snapshots).waits_for == "the stream is behind"
    snapshots.delivered(further(10), 0)
    assert shown(snapshots).waits_for is None


@pytest.mark.parametrize(("component", "reason"), [("kafka", "Kafka is away"), ("mongodb", "MongoDB is away")])
def test_in_an_outage_nothing_flows(snapshots: Snapshots, clock: StillClock, component: str, reason: str) -> None:
    clock.now += 2
    snapshots.delivered(further(5000), 0)
    snapshots.lost(component)
    assert (shown(snapshots).waits_for, shown(snapshots).documents_per_second) == (reason, 0)


def test_a_completed_one(snapshots: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    about = {"snapshot": "snapshot-1", "collection": "users", "documents": 20_010, "filtered": False}
    snapshots.received([Notice(COLLECTION_COMPLETED, 0, about)])
    snapshots.delivered(further(20_010, collection="", state="completed"), 1)
    snapshots.delivered(further(20_010, collection="", state="completed"), 0)
    status = shown(snapshots)
    assert (status.state, status.documents, status.collections_done, status.error) == ("completed", 20_100, 3, None)
    assert status.ended_at
    assert snapshots.ended == {"completed": 1, "stopped": 0, "aborted": 0}
    assert lines(caplog) == [("INFO", "the collection is copied"), ("INFO", "the snapshot is completed")]
    copied, completed = map(vars, caplog.records)
    assert (copied["collection"], copied["documents"]) == ("users", 20_010)
    assert completed["documents"] == 20_100


def test_an_aborted_one_is_none_that_is_complete(snapshots: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    snapshots.delivered(further(10, state="aborted", end_reason="the filter of users fails"), 0)
    status = shown(snapshots)
    assert (status.state, status.error) == ("aborted", "the filter of users fails")
    assert snapshots.ended["aborted"] == 1
    assert lines(caplog)[-1] == ("WARNING", "the snapshot is aborted")


def test_another_one_takes_the_place_of_one_that_is_aborted(snapshots: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    """After a gap its beginning is committed first, and the message about it with the next opening."""
    another = replace(NEW, id="snapshot-2", reason="position lost")
    snapshots.delivered(another, 0)
    snapshots.delivered(replace(another, started_sequence=9), 0)
    snapshots.delivered(replace(another, started_sequence=9, documents=5), 0)
    assert (shown(snapshots).id, shown(snapshots).state, snapshots.documents) == ("snapshot-2", "running", 95)
    assert (snapshots.ended["aborted"], snapshots.ended["completed"]) == (1, 0)
    assert lines(caplog) == [("WARNING", "the snapshot is aborted"), ("INFO", "the snapshot begins")]


def test_the_next_process_goes_on_counting(snapshots: Snapshots, clock: StillClock, caplog: pytest.LogCaptureFixture) -> None:
    clock.now += 2
    snapshots.delivered(further(5000), 0)
    told = shown(snapshots)
    caplog.clear()
    following = Snapshots(told)
    assert (shown(following).documents, shown(following).documents_per_second) == (5090, 0)
    following.opened(further(5000))
    following.counted(COUNTS)
    assert lines(caplog) == [("INFO", "the snapshot goes on")]
    following.delivered(further(6000), 0)
    assert (shown(following).documents, following.documents) == (6090, 1000)


@pytest.mark.parametrize(("state", "remains"), [("completed", True), ("aborted", True), ("running", False)])
def test_what_the_process_before_told_last(clock: StillClock, state: str, remains: bool) -> None:
    """If its snapshot was under way and the position knows of none, nobody can tell how it ended."""
    following = Snapshots(SnapshotStatus(id="snapshot-1", state=state))
    following.opened(None)
    assert (following.status() is not None) == remains


@pytest.mark.parametrize(("state", "level"), [("completed", "INFO"), ("stopped", "INFO"), ("aborted", "WARNING")])
def test_one_that_a_command_has_ended_is_told_as_it_ended(
    snapshots: Snapshots, caplog: pytest.LogCaptureFixture, state: Any, level: str
) -> None:
    ended = further(50, state=state, end_reason="the position was moved forward")
    snapshots.opened(None, ended)
    status = shown(snapshots)
    assert (status.state, status.documents, status.collection_documents) == (state, 140, 50)
    assert status.error == ("the position was moved forward" if state == "aborted" else None)
    assert status.ended_at
    assert lines(caplog)[-1] == (level, f"the snapshot is {state}")
    assert snapshots.ended[state] == 1
    snapshots.opened(None, ended)  # after the next outage
    assert snapshots.ended[state] == 1


def test_the_next_process_learns_how_it_ended(clock: StillClock) -> None:
    before = SnapshotStatus(id=USERS.id, state="running", documents=90)
    snapshots = Snapshots(before)
    snapshots.opened(None, further(50, state="aborted", end_reason="in the way"))
    status = shown(snapshots)
    assert (status.state, status.error, status.ended_at) == ("aborted", "in the way", None)  # nobody knows when
    assert snapshots.ended["aborted"] == 0
    known = SnapshotStatus(id=USERS.id, state="aborted", documents=140, ended_at=datetime(2024, 1, 1, tzinfo=UTC))
    following = Snapshots(known)
    following.opened(None, further(50, state="aborted"))
    assert shown(following) == known


def test_one_that_somebody_else_has_ended_is_under_way_no_more(snapshots: Snapshots) -> None:
    snapshots.opened(None)
    assert snapshots.status() is None


def test_collections_of_several_databases_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    snapshots = Snapshots(None, "{}.{}".format)
    snapshots.counted({"t1.users": 10, "t2.users": 10})
    for database, documents in (("t1", 10), ("t2", 7)):
        about = {"snapshot": "snapshot-1", "database": database, "collection": "users", "documents": documents, "filtered": False}
        snapshots.received([Notice(COLLECTION_COMPLETED, 0, about)])
    snapshots.delivered(further(17, collection=""), 2)
    assert [(each.name, each.documents) for each in shown(snapshots).by_collection] == [("t1.users", 10), ("t2.users", 7)]
    told = [record.__dict__["collection"] for record in caplog.records if record.msg == "the collection is copied"]
    assert told == ["t1.users", "t2.users"]
