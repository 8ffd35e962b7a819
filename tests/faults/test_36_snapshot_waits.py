"""Row 36: the stream is behind during a snapshot, or MongoDB does not show the past.

Goal: the stream goes first and the snapshot waits: no document is copied while there is a backlog, and the stream goes on while
nothing can be copied. Then it goes on, no message leads back, and in the end the messages lead to what MongoDB holds.
Method: a slow link to Kafka, and more changes than it carries; errors 239, 72, 246 and 50 by the fail point failCommand; no history
at all (minSnapshotHistoryWindowInSeconds) under a load; collections that come and go.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.faults.conftest import Copied
from tests.support.fault_matrix import FaultReport
from tests.support.mongodb_faults import failing
from tests.support.proxy import TcpProxy
from tests.support.snapshot_messages import Message, completed, operations, rows
from tests.support.versioned_load import VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.mongodb_fixtures"]

Document = dict[str, Any]
SLOW = {"latency_s": 0.1, "bytes_per_s": 125_000.0}
WIDE, WIDE_BYTES = 160, 20_000
BATCH = 20
SECONDS_BEHIND = 4
COMINGS = 30
SHOWN_FOR_SECONDS = 300


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points."""
    return failing_mongo


@pytest.fixture
def load(db: Database[Any], rng: Random) -> VersionedLoad:
    """A collection of documents."""
    load = VersionedLoad(db, [f"d{number}" for number in range(1500)], ["users"], seed=rng.randrange(2**32))
    load.fill()
    return load


def copying(settings: Document, documents_per_second: int) -> Document:
    """As slow as that."""
    return settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": documents_per_second}


def test_the_stream_is_behind(
    launch: Launch,
    settings: Document,
    kafka_proxy: TcpProxy,
    inbox: Inbox,
    db: Database[Any],
    load: VersionedLoad,
    copied: Copied,
    fault_report: FaultReport,
) -> None:
    """The proxy delays and narrows what goes to Apache Kafka. A backlog is more than `batch_size` changes."""
    worker = launch(copying(settings, 300) | {"kafka_brokers": kafka_proxy.address, "batch_size": BATCH})
    worker.reached()
    eventually(lambda: worker.status["sequence"] > 100)
    kafka_proxy.behave(**SLOW)
    for number in range(WIDE):
        db.wide.insert_one({"_id": number, "name": f"wide/{number}", "version": 1, "text": "x" * WIDE_BYTES})
    eventually(lambda: (worker.status["lagSeconds"] or 0) >= SECONDS_BEHIND, 30)
    fault_report.measure(worker.pid)
    kafka_proxy.heal()
    completed(inbox, 60)
    assert rows(between(copied(worker, writes=WIDE), 3 * BATCH, WIDE - 2 * BATCH)) == []
    fault_report.count(faults=1)


def between(messages: list[Message], first: int, last: int) -> list[Message]:
    """The messages between two inserts of the backlog."""
    places = [place for place, each in enumerate(messages) if each.get("collection") == "wide" and "snapshot" not in each]
    return messages[places[first] : places[last]]


@pytest.mark.parametrize("code", [239, 72, 246, 50])
def test_a_time_cannot_be_read(
    code: int,
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    load: VersionedLoad,
    copied: Copied,
    fault_report: FaultReport,
) -> None:
    with failing(mongo_client, "find", app=settings["kafka_client_id"], errorCode=code) as point:
        worker = launch(copying(settings, 0))
        worker.reached()
        with load:
            eventually(lambda: len(operations(inbox.messages(), "insert", "update", "delete")) > 50, interval_s=0.3)
            assert rows(inbox.messages()) == []
    assert point.strikes > 0
    completed(inbox)
    assert worker.status["reopens"] == 0
    copied(worker, writes=load.writes)
    fault_report.count(faults=1)


def test_there_is_no_history(
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    mongo_client: MongoClient[Document],
    load: VersionedLoad,
    copied: Copied,
    fault_report: FaultReport,
) -> None:
    """Under a load each time that the worker asks for is gone already, or nearly so."""
    mongo_client.admin.command("setParameter", 1, minSnapshotHistoryWindowInSeconds=0)
    try:
        with load:
            worker = launch(copying(settings, 0))
            worker.reached()
            eventually(lambda: len(operations(inbox.messages(), "insert", "update", "delete")) > 300, interval_s=0.3)
        completed(inbox)
    finally:
        mongo_client.admin.command("setParameter", 1, minSnapshotHistoryWindowInSeconds=SHOWN_FOR_SECONDS)
    assert worker.status["reopens"] == 0
    copied(worker, writes=load.writes)
    fault_report.count(faults=1)


def test_collections_come_and_go(
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    db: Database[Any],
    load: VersionedLoad,
    copied: Copied,
    fault_report: FaultReport,
) -> None:
    """MongoDB does not show a collection as of a time before it was created."""
    worker = launch(copying(settings, 500))
    worker.reached()
    with load:
        for number in range(COMINGS):
            sequence = worker.status["sequence"]
            db[f"z{number}"].insert_many([{"_id": each, "name": f"{number}/{each}", "version": 0} for each in range(20)])
            if number % 3:
                db[f"z{number}"].drop()
            eventually(lambda sequence=sequence: worker.status["sequence"] > sequence)
        completed(inbox, 60)
    copied(worker, writes=load.writes, again=True)
    fault_report.count(faults=COMINGS)
