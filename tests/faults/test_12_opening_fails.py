"""Row 12: opening the change stream fails many times.

Goal: the worker tries again in growing intervals, says so once, and never exits; what happened meanwhile arrives.
Method: MongoDB's fail point failCommand on the worker's aggregate, for a number of times.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from pymongo import MongoClient

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.mongodb_faults import failing
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.sandbox.mongod import ReplicaSet
from watcher.worker.backoff import FIRST_SECONDS, LONGEST_SECONDS

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.mongodb_fixtures"]

TIMES = 5
SHORTEST_WAITS_S = sum(min(FIRST_SECONDS * 2**number, LONGEST_SECONDS) / 2 for number in range(TIMES))
FAILURES: dict[str, dict[str, Any]] = {"error": {"errorCode": 91}, "connection closed": {"closeConnection": True}}


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points."""
    return failing_mongo


@pytest.mark.parametrize("failure", FAILURES)
def test_it_backs_off_and_comes_back(
    failure: str,
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
    assert worker.stop() == 0
    app = settings["kafka_client_id"]
    with Load(oracle, seed=seed), failing(mongo_client, "aggregate", app=app, times=TIMES, **FAILURES[failure]) as point:
        began = time.monotonic()
        worker.start()
        status = worker.reached(timeout_s=60)
        seconds = time.monotonic() - began
    assert point.strikes == TIMES
    assert status["reopens"] == TIMES
    assert seconds > SHORTEST_WAITS_S
    assert len(eventually(lambda: worker.logged("warning"))) == 1
    fault_report.count(faults=TIMES)
    settle(worker)
