"""Row 5: a zombie: the worker is frozen, another instance takes over, and the first wakes up.

Goal: the old one writes nothing more, exits 81 and stays down; the new one goes on; nothing is lost, doubled or out of order.
Method: a worker under supervisord is stopped by SIGSTOP under a steady load. A second instance of the same watcher starts with a
run directory of its own, as on another host, and streams. Then SIGCONT.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually
from tests.support.worker import Inbox, WorkerProcess
from watcher.errors import ExitCode

pytest_plugins = ["tests.support.worker_fixtures"]

NAME = "dashboard"


def test_a_zombie_stays_down(
    fleet_directory: Path,
    tmp_path: Path,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    settle: Settle,
    seed: int,
    fault_report: FaultReport,
) -> None:
    with RealFleet(fleet_directory, {NAME: settings}) as fleet, ExitStack() as stack:
        zombie = fleet.reached(NAME)["pid"]
        with Load(oracle, seed=seed, pause_s=0.01):
            inbox.records(50)
            os.kill(zombie, signal.SIGSTOP)
            successor = stack.enter_context(WorkerProcess(tmp_path, settings, name=NAME))
            successor.reached()
            fault_report.measure(zombie)
            os.kill(zombie, signal.SIGCONT)
            eventually(lambda: fleet.process(NAME).state == "EXITED", 60)
            inbox.records(oracle.certain_writes + 100)  # the successor is not disturbed
        assert (fleet.process(NAME).state, fleet.process(NAME).exit_status) == ("EXITED", ExitCode.NOT_OWNER)
        assert f"taken over this watcher: process {successor.pid} on " in fleet.status(NAME)["lastError"]["message"]
        fault_report.count(faults=1)
        settle(successor)
