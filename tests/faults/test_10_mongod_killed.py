"""Row 10: mongod is killed and started again.

Goal: the worker rides it out, and nothing is lost, doubled or out of order.
Method: a mongod of its own under load gets SIGKILL, stays away for a while, and starts again with its data.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.mongodb_faults import check_arrival
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

REOPENED_WITHIN_S = 15.0


@pytest.fixture(scope="module")
def mongo(server_directory: Path) -> Iterator[ReplicaSet]:
    """One node, to be killed."""
    with ReplicaSet(server_directory / "killed") as replica_set:
        yield replica_set


def test_an_outage_of_mongodb_is_ridden_out(
    launch: Launch,
    settings: dict[str, Any],
    inbox: Inbox,
    mongo: ReplicaSet,
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    seed: int,
    rng: Random,
    long_form: bool,
) -> None:
    [node] = mongo.nodes
    worker = launch(settings)
    worker.reached()
    with Load(oracle, seed=seed):
        for number in range(1, 1 + (20 if long_form else 2)):
            eventually(lambda number=number: worker.status["messagesCommitted"] > 50 * number)
            node.kill()
            assert worker.reached("waiting")["mongoConnected"] is False
            time.sleep(rng.uniform(0, 3))
            node.start()
            mongo.wait_for_primary()
            back = time.monotonic()
            worker.reached(timeout_s=REOPENED_WITHIN_S)
            fault_report.recovered(time.monotonic() - back)
            fault_report.count(faults=1)
    check_arrival(oracle, inbox)
    settle(worker)
    assert not worker.logged("error")
