"""Row 13: MongoDB no longer has the changes after the position.

Goal: by policy either exit 80 with advice that names both times, or a gap message, and the stream goes on from now; never a silent
gap, and never a second gap within the hour.
Method: error 286 by the fail point failCommand on the worker's aggregate or getMore; and for real: the oplog is cut behind the
position while mongod is down, which to a change stream is the same as having been too small.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.mongodb_faults import failing, roll_oplog_over
from tests.support.waiting import eventually
from tests.support.worker import START_TIMEOUT_S, Inbox, Launch, WorkerProcess
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.mongodb_fixtures"]

POSITION_LOST = 80
HISTORY_LOST = 286

Document = dict[str, Any]


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points, and an oplog that may be cut."""
    return failing_mongo


def insert(db: Database[Document], *ids: str) -> None:
    db.users.insert_many([{"_id": _id} for _id in ids])


def summary(messages: list[Document]) -> list[str]:
    """Ids of the documents, and the operations that are about none."""
    return [message["documentKey"]["_id"] if "documentKey" in message else message["operationType"] for message in messages]


def check_advice(worker: WorkerProcess) -> None:
    assert worker.wait(START_TIMEOUT_S) == POSITION_LOST
    error = worker.status["lastError"]
    assert error["exitCode"] == POSITION_LOST
    assert "The position is of 20" in error["message"]
    assert "MongoDB's oldest change is of 20" in error["message"]
    assert 'on_position_lost = "restart"' in error["hint"]


@pytest.mark.parametrize("command", ["aggregate", "getMore"])
def test_under_the_policy_fail_it_stops_with_advice(
    command: str, launch: Launch, settings: Document, mongo_client: MongoClient[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings)
    worker.reached()
    if command == "aggregate":
        assert worker.stop() == 0
    with failing(mongo_client, command, app=settings["kafka_client_id"], times=1, errorCode=HISTORY_LOST):
        if command == "aggregate":
            worker.start()
        check_advice(worker)
    fault_report.count(faults=1)


def test_under_the_policy_restart_the_gap_is_told(
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    worker = launch(settings | {"on_position_lost": "restart"})
    worker.reached()
    insert(db, "before")
    [before] = inbox.messages(1)
    assert worker.stop() == 0
    insert(db, "lost")
    with failing(mongo_client, "aggregate", app=settings["kafka_client_id"], times=1, errorCode=HISTORY_LOST):
        worker.start()
        worker.reached()
    insert(db, "after")
    messages = inbox.messages(3)
    assert summary(messages) == ["before", "gap", "after"]
    assert [message["sequence"] for message in messages] == [1, 2, 3]
    gap = messages[1]
    assert f"error {HISTORY_LOST}" in gap["reason"]
    assert gap["lastEventId"] == before["eventId"]
    assert before["timestamp"][:19] <= gap["from"][:19] <= gap["to"][:19] <= messages[2]["timestamp"][:19]
    status = eventually(lambda: worker.status if worker.status["events"]["insert"] else None)
    assert (status["gaps"], status["events"]["control"]) == (1, 1)
    fault_report.count(faults=1, writes=3, messages=3)


@pytest.mark.parametrize("life", ["after an outage", "after a kill", "on another host"])
def test_a_second_gap_within_the_hour_is_a_fault(
    life: str,
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    fault_report: FaultReport,
    tmp_path: Path,
) -> None:
    worker = launch(settings | {"on_position_lost": "restart"})
    worker.reached()
    app = settings["kafka_client_id"]
    with failing(mongo_client, "getMore", app=app, times=1, errorCode=HISTORY_LOST):
        inbox.messages(1)
    eventually(lambda: worker.status["gaps"] == 1)
    if life == "after an outage":
        with failing(mongo_client, "getMore", app=app, times=1, closeConnection=True):
            eventually(lambda: worker.status["reopens"] == 1)
        worker.reached()
    if life == "after a kill":
        worker.kill()
        worker.start().reached()
    if life == "on another host":
        assert worker.stop() == 0
        worker = launch(settings | {"on_position_lost": "restart"}, state_dir=tmp_path / "elsewhere")
        worker.reached()
    with failing(mongo_client, "getMore", app=app, times=1, errorCode=HISTORY_LOST):
        check_advice(worker)
    assert "within the hour" in worker.status["lastError"]["message"]
    assert summary(inbox.messages(1)) == ["gap"]
    fault_report.count(faults=2, messages=1)


def test_an_oplog_that_is_cut_for_real(
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    mongo: ReplicaSet,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    worker = launch(settings)
    worker.reached()
    insert(db, "before")
    inbox.messages(1)
    assert worker.stop() == 0
    insert(db, "lost")
    roll_oplog_over(mongo)
    insert(db, "lost too")
    worker.start()
    check_advice(worker)
    launch(settings | {"on_position_lost": "restart"})
    assert summary(inbox.messages(2)) == ["before", "gap"]  # MongoDB tells of the loss only when it is asked for the next change
    insert(db, "after")
    messages = inbox.messages(3)
    assert summary(messages) == ["before", "gap", "after"]
    assert [message["sequence"] for message in messages] == [1, 2, 3]
    fault_report.count(faults=1, writes=4, messages=3)


def test_the_oldest_change_there_is_can_be_the_start(
    launch: Launch, settings: Document, inbox: Inbox, mongo: ReplicaSet, db: Database[Document], fault_report: FaultReport
) -> None:
    insert(db, *map(str, range(20)))
    roll_oplog_over(mongo)
    insert(db, "later")
    launch(settings | {"start_from": "earliest"}).reached()
    eventually(lambda: summary(inbox.messages())[-1:] == ["later"])  # an older one may be there, and come before it
    fault_report.count(faults=1, writes=21)
