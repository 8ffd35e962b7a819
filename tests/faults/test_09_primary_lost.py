"""Row 9: the primary steps down, or is killed.

Goal: the stream goes on with the new primary, within 5 s of its election, and nothing is lost, doubled or out of order.
Method: three mongods under load; the primary is told to step down, or gets SIGKILL, and is started again later.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.mongodb_faults import check_arrival
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.sandbox.mongod import Mongod, ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

REOPENED_WITHIN_S = 5.0
ELECTED_WITHIN_S = 30.0


@pytest.fixture(scope="module")
def mongo(server_directory: Path) -> Iterator[ReplicaSet]:
    """Three nodes."""
    with ReplicaSet(server_directory / "three", size=3) as replica_set:
        yield replica_set


def step_down(primary: Mongod) -> None:
    """Make it a secondary for ten seconds, without waiting for a successor."""
    with primary.client(socketTimeoutMS=None) as client:
        client.admin.command("replSetStepDown", 10, force=True)


def kill(primary: Mongod) -> None:
    """kill -9."""
    primary.kill()


@pytest.mark.parametrize("lose", [step_down, kill])
def test_the_stream_goes_on_with_the_new_primary(
    lose: Any,
    launch: Launch,
    settings: dict[str, Any],
    inbox: Inbox,
    mongo: ReplicaSet,
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    seed: int,
    long_form: bool,
) -> None:
    worker = launch(settings)
    worker.reached()
    with Load(oracle, seed=seed) as load:
        for _ in range(10 if long_form else 1):
            loses_its_primary(lose, mongo, worker, fault_report, load)
    check_arrival(oracle, inbox)
    settle(worker)


def loses_its_primary(lose: Any, mongo: ReplicaSet, worker: WorkerProcess, report: FaultReport, load: Load) -> None:
    old = mongo.wait_for_primary()
    opened, written = count_openings(worker), load.oracle.certain_writes
    lose(old)
    eventually(lambda: mongo.primary() not in (None, old), ELECTED_WITHIN_S)
    elected = time.time()
    eventually(lambda: load.oracle.certain_writes > written + 100, ELECTED_WITHIN_S)
    delivered(worker, load.oracle)
    if count_openings(worker) > opened:  # a cursor may outlive a step-down
        seconds = max(0.0, last_opening(worker) - elected)
        report.recovered(seconds)
        assert seconds < REOPENED_WITHIN_S
    report.count(faults=1)
    old.start()
    eventually(lambda: is_secondary(old), ELECTED_WITHIN_S)


def delivered(worker: WorkerProcess, oracle: Oracle) -> None:
    """Wait until the worker has committed what is written by now; unacknowledged writes may come on top."""
    wanted = oracle.certain_writes

    def look() -> bool:
        assert worker.process is not None
        assert worker.process.poll() is None, worker.output
        return bool(worker.status["sequence"] >= wanted)

    eventually(look, ELECTED_WITHIN_S)


def count_openings(worker: WorkerProcess) -> int:
    return len([line for line in worker.log if line["event"] == "streaming"])


def last_opening(worker: WorkerProcess) -> float:
    return [datetime.fromisoformat(line["ts"]).timestamp() for line in worker.log if line["event"] == "streaming"][-1]


def is_secondary(node: Mongod) -> bool:
    with node.client() as client:
        try:
            return bool(client.admin.command("hello")["secondary"])
        except PyMongoError:
            return False
