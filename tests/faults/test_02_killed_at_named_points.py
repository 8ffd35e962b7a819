"""Row 2: the worker is killed at named points of a transaction.

Goal: nothing is lost or doubled, whichever of messages, position and commit had reached Kafka.
Method: a producer of the tests' own ends the process (exit code 137) after a message was produced, before and after the position,
during the commit and after it, in one of the first transactions of its life, under a steady load. Then comes the next one.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.failing_worker import KILLED, Point, program
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.worker import Launch

pytest_plugins = ["tests.support.worker_fixtures"]

DEATHS, DEATHS_LONG = 2, 40
LAST_TRANSACTION = 5
HEALTHY = ("-m", "watcher")


@pytest.mark.parametrize("point", [*Point])
def test_killed_at(
    point: Point,
    launch: Launch,
    settings: dict[str, Any],
    oracle: Oracle,
    settle: Settle,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    deaths = DEATHS_LONG if long_form else DEATHS
    worker = launch(settings)
    worker.reached()
    with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005):
        for _ in range(deaths):
            worker.kill()
            worker.program = program(point, rng.randint(1, LAST_TRANSACTION))
            worker.start()
            assert worker.wait(60) == KILLED, worker.output
        worker.program = HEALTHY
        worker.start().reached()
    fault_report.count(faults=deaths)
    settle(worker)
