"""Row 11: reading on fails: MongoDB is shutting down, the cursor is gone, the connection is closed.

Goal: each is an outage: the stream is opened again after the last committed position, and nothing is lost or doubled.
Method: MongoDB's fail point failCommand on the worker's getMore, under load.
"""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import BUSY_S, Load
from tests.support.mongodb_faults import failing
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Launch, WorkerProcess
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.mongodb_fixtures"]

SHUTTING_DOWN, CURSOR_NOT_FOUND, STEPPED_DOWN = 11600, 43, 189
FAILURES: list[dict[str, Any]] = [
    *({"errorCode": code} for code in (SHUTTING_DOWN, CURSOR_NOT_FOUND, STEPPED_DOWN)),
    {"closeConnection": True},
]
TIMES = 1


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points."""
    return failing_mongo


def test_the_stream_is_opened_again(
    launch: Launch,
    settings: dict[str, Any],
    mongo_client: MongoClient[dict[str, Any]],
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    seed: int,
) -> None:
    worker = launch(settings)
    worker.reached()
    with Load(oracle, seed=seed, pause_s=BUSY_S):
        for number, failure in enumerate(FAILURES, start=1):
            with failing(mongo_client, "getMore", app=settings["kafka_client_id"], times=TIMES, **failure) as point:
                eventually(lambda wanted=TIMES * number: worker.status["reopens"] == wanted)
            assert point.strikes == TIMES
            fault_report.count(faults=TIMES)
            more_is_committed(worker)
    settle(worker)
    assert not worker.logged("error")


def more_is_committed(worker: WorkerProcess) -> None:
    before = worker.reached()["sequence"]
    eventually(lambda: worker.status["sequence"] > before + 100)
