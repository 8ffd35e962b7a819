"""Row 28: nobody reads the log pipe.

Goal: the worker goes on streaming, does not grow, and still ends when it is told to.
Method: SIGSTOP of supervisord, which reads its workers' logs, while a worker under load logs at level debug, until the pipe between
them takes no more; a thousand messages later all is read back from Kafka, and the worker gets SIGTERM.
"""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually
from tests.support.worker import Inbox
from watcher.fleet.programs import STOP_WAIT_SECONDS

pytest_plugins = ["tests.support.worker_fixtures"]

NAME = "dashboard"
MESSAGES = 1000


@pytest.mark.timeout(300)
def test_the_stream_goes_on(
    fleet_directory: Path,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    compare: Compare,
    seed: int,
    fault_report: FaultReport,
) -> None:
    with RealFleet(fleet_directory, {NAME: settings | {"log_level": "debug"}}) as fleet:
        pid = fleet.reached(NAME)["pid"]
        os.kill(fleet.supervisord_pid, signal.SIGSTOP)
        try:
            with Load(oracle, seed=seed, pause_s=BUSY_S):
                eventually(lambda: is_full(pid), 60)
                inbox.records(oracle.certain_writes + MESSAGES, timeout_s=60)
            compare()
            fault_report.measure(pid)
            fault_report.count(faults=1)
            fault_report.remark(f"ended {seconds_to_end(pid):.1f} s after SIGTERM")
        finally:
            os.kill(fleet.supervisord_pid, signal.SIGCONT)


def is_full(pid: int) -> bool:
    """Return True if the pipe that is a process' standard output takes no more."""
    pipe = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(pipe, select.POLLOUT)
        return not poll.poll(0)
    finally:
        os.close(pipe)


def seconds_to_end(pid: int) -> float:
    """Tell the process to end, and wait until all its threads have; its parent cannot reap it, so that it stays a zombie."""
    told = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", STOP_WAIT_SECONDS)
    return time.monotonic() - told
