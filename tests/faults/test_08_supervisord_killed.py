"""Row 8: supervisord is killed.

Goal: its workers end with it, and after the next start there is one set of them, not two. Nothing is lost, doubled or out of order.
Method: SIGKILL of supervisord under a steady load, then the same start command at once, while the old workers may still drain.
Twice. Processes are counted by their command lines, whoever their parent is.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually
from watcher.fleet.polling import is_alive

pytest_plugins = ["tests.support.worker_fixtures"]

KILLS = 2
EXIT_TIMEOUT_S = 5.0
"""From giving up the lock file, which lets the successor begin, to the end of the process."""


def test_one_set_of_workers(
    fleet_directory: Path,
    settings: dict[str, Any],
    oracle: Oracle,
    compare: Compare,
    seed: int,
    fault_report: FaultReport,
) -> None:
    quiet = settings | {
        "mongodb_uri": settings["mongodb_uri"].replace("?", "2?"),
        "kafka_client_id": "quiet-" + settings["kafka_client_id"],
    }
    with RealFleet(fleet_directory, {"busy": settings, "quiet": quiet}) as fleet:
        fleet.reached("busy")
        with Load(oracle, seed=seed, pause_s=0.01):
            for _ in range(KILLS):
                kill_and_start(fleet, fault_report)
        compare()
    assert fleet.workers() == []


def kill_and_start(fleet: RealFleet, fault_report: FaultReport) -> None:
    """One round."""
    old = [fleet.reached(name)["pid"] for name in fleet.names]
    assert sorted(fleet.workers()) == sorted(old)
    killed = time.monotonic()
    os.kill(fleet.supervisord_pid, signal.SIGKILL)
    eventually(lambda: not fleet.fleet.supervisord.is_running())
    fleet.start()
    new = [fleet.reached(name)["pid"] for name in fleet.names]
    fault_report.recovered(time.monotonic() - killed)
    fault_report.count(faults=1)
    assert not set(old) & set(new)
    eventually(lambda: not any(map(is_alive, old)), EXIT_TIMEOUT_S)  # without the lock it has only its own memory left to clear up
    assert sorted(fleet.workers()) == sorted(new)
    for pid in new:
        fault_report.measure(pid)
