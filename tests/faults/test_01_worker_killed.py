"""Row 1: the worker is killed at random times.

Goal: nothing is lost, doubled or out of order, and it streams again soon: the median of all recoveries is under 3 s.
Method: SIGKILL under a steady load; its successor is started at once, as supervisord does. Most live until they stream and a random
time longer, every fourth one is killed at some moment of its start. Recovery is the time from a kill until the successor says that
it is streaming. 50 kills; 1,000 in the long form.
"""

from __future__ import annotations

import time
from random import Random
from statistics import median
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.worker import Launch

pytest_plugins = ["tests.support.worker_fixtures"]

KILLS, KILLS_LONG = 50, 1000
RECOVERY_LIMIT_S = 3.0
LONGEST_LIFE_S = 0.4
LONGEST_START_S = 0.8
RECOVERY_TIMEOUT_S = 120.0
"""A worker that was killed too often before it had delivered anything holds back, for a minute at most."""


@pytest.mark.alone  # the median of its recoveries has a limit
@pytest.mark.timeout(600)  # fifty starts take longer than other tests
def test_killed_again_and_again(
    launch: Launch,
    settings: dict[str, Any],
    oracle: Oracle,
    settle: Settle,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    kills = KILLS_LONG if long_form else KILLS
    worker = launch(settings)
    worker.reached()
    with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005):
        for _ in range(kills):
            fault_report.measure(worker.pid)
            killed = time.monotonic()
            worker.kill()
            worker.start()
            if rng.random() < 0.25:
                time.sleep(rng.uniform(0, LONGEST_START_S))
            else:
                worker.reached(timeout_s=RECOVERY_TIMEOUT_S)
                fault_report.recovered(time.monotonic() - killed)
                time.sleep(rng.uniform(0, LONGEST_LIFE_S))
        worker.reached(timeout_s=RECOVERY_TIMEOUT_S)
    fault_report.count(faults=kills)
    settle(worker)
    assert median(fault_report.recoveries_s) < RECOVERY_LIMIT_S
