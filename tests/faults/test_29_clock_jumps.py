"""Row 29: the clock of the worker's host jumps.

Goal: the stream goes on, the lag stays right, since it is reckoned by MongoDB's clock alone, and waits take as long as ever.
Method: the worker's clock is set two hours ahead, more than Kafka takes in a record's time, and then two hours back, under load.
After each jump Kafka refuses connections for a while. It is Python's clock alone, as tests/support/set_clock.py explains. The
monotonic clock goes on as it is, as when an administrator or NTP sets a clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support import set_clock
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import Launch, WorkerProcess
from watcher.kafka.transactions.writer import WRITE_SECONDS

pytest_plugins = ["tests.support.worker_fixtures"]

JUMP_S = 7200
IMPATIENT = {"message.timeout.ms": 5000, "transaction.timeout.ms": 5000}
MOST_LAG_S = 5
BACK_WITHIN_S = 15.0
CLOCK_TOLERANCE_S = 30.0


def test_the_clock_jumps(
    launch: Launch,
    settings: dict[str, Any],
    kafka_proxy: TcpProxy,
    oracle: Oracle,
    settle: Settle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault_report: FaultReport,
    seed: int,
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    monkeypatch.setenv(set_clock.CLOCK_FILE, str(clock))
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address, "kafka": IMPATIENT})
    worker.kill()
    worker.program = set_clock.PROGRAM
    worker.start().reached()
    with Load(oracle, seed=seed):
        for jump in (f"+{JUMP_S}", f"-{JUMP_S}"):
            clock.write_text(jump)
            eventually(lambda jump=jump: abs(ahead_s(worker) - int(jump)) < CLOCK_TOLERANCE_S)
            status = worker.reached()
            reopens, sequence = status["reopens"], status["sequence"]
            eventually(lambda before=sequence: worker.status["sequence"] > before + 100)
            assert worker.reached()["reopens"] == reopens
            assert worker.status["lagSeconds"] < JUMP_S / 2  # by the worker's own clock it would be JUMP_S
            eventually(lambda: worker.status["lagSeconds"] <= MOST_LAG_S)  # what Kafka's absence has left is caught up with first
            kafka_proxy.refuse()
            worker.reached("waiting", timeout_s=WRITE_SECONDS + BACK_WITHIN_S)
            kafka_proxy.accept()
            back = time.monotonic()
            worker.reached(timeout_s=BACK_WITHIN_S)
            fault_report.recovered(time.monotonic() - back)
            fault_report.count(faults=2)
    settle(worker)
    assert worker.logged("error") == []


def ahead_s(worker: WorkerProcess) -> float:
    """Return how far its clock is ahead of ours."""
    return (datetime.fromisoformat(worker.status["updatedAt"]) - datetime.now(UTC)).total_seconds()
