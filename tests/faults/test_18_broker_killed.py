"""Row 18: the broker is killed and started again.

Goal: the worker rides it out and streams again soon after, and nothing is lost, doubled or out of order.
Method: a broker of its own under load gets SIGKILL, stays away for a while, and starts again with its data. At the end each topic
is written to once more: a broker that dies between a commit and its markers in the partitions can leave the transaction open
there, and hold up readers, until the same transactional id writes to these partitions again.
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
from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.own_kafka import own_broker
from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

KILLS, KILLS_LONG = 2, 20
COMMITTED_AGAIN_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def kafka(server_directory: Path, pytestconfig: pytest.Config) -> Iterator[ApacheKafka]:
    """A broker to be killed."""
    with own_broker(server_directory / "killed-kafka", pytestconfig) as broker:
        yield broker


def test_the_broker_is_killed(
    launch: Launch,
    settings: dict[str, Any],
    kafka: ApacheKafka,
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    seed: int,
    rng: Random,
    long_form: bool,
) -> None:
    worker = launch(settings)
    worker.reached()
    with Load(oracle, seed=seed, pause_s=BUSY_S):
        for _ in range(KILLS_LONG if long_form else KILLS):
            committed = worker.status["messagesCommitted"]
            eventually(lambda before=committed: worker.status["messagesCommitted"] > before + 50, COMMITTED_AGAIN_WITHIN_S)
            time.sleep(rng.uniform(0, 0.5))
            kafka.kill()
            time.sleep(rng.uniform(0, 5))
            kafka.start()
            back, committed = time.monotonic(), worker.status["messagesCommitted"]
            eventually(lambda before=committed: worker.status["messagesCommitted"] > before, COMMITTED_AGAIN_WITHIN_S)
            fault_report.recovered(time.monotonic() - back)
            fault_report.count(faults=1)
    oracle.insert("users", "last")
    oracle.update("users", "last")
    oracle.delete("users", "last")
    settle(worker)
    assert worker.logged("error") == []
