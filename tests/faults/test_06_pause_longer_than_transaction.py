"""Row 6: a pause that is longer than the transaction time-out, and nobody took over.

Goal: the worker opens again by itself; it does not exit 81, for nobody else owns the watcher. Nothing is lost or doubled.
Method: the worker stops itself (SIGSTOP) in the middle of a transaction that lives for two seconds. Apache Kafka aborts it, which
shows when a read_committed reader gets past it, and fences the producer. Then SIGCONT.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import psutil

from tests.faults.conftest import Settle
from tests.support.failing_worker import Point, program
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

SHORT_TRANSACTION = {"transaction.timeout.ms": 2000}
ABORTED_WITHIN_S = 40.0
"""The broker looks for transactions that are too old every ten seconds."""


def test_paused_in_a_transaction(
    apache: ApacheKafka,
    launch: Launch,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    settle: Settle,
    seed: int,
    fault_report: FaultReport,
) -> None:
    worker = launch(settings | {"kafka": SHORT_TRANSACTION})
    worker.reached()
    worker.stop()
    worker.program = program(Point.AFTER_POSITION, 20, "pause")
    worker.start().reached()
    pid = worker.pid
    with Load(oracle, seed=seed, pause_s=0.01):
        eventually(lambda: is_stopped(worker))
        paused = time.monotonic()
        before = inbox.records(timeout_s=ABORTED_WITHIN_S)
        fault_report.remark(f"paused for {time.monotonic() - paused:.0f} s")
        worker.signal(signal.SIGCONT)
        resumed = time.monotonic()
        inbox.records(len(before) + 1)
        fault_report.recovered(time.monotonic() - resumed)
    assert worker.reached()["reopens"] >= 1
    assert worker.pid == pid
    fault_report.count(faults=1)
    settle(worker)


def is_stopped(worker: WorkerProcess) -> bool:
    """Return True if it was stopped by a signal."""
    return psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED
