"""Row 27: the disk with the logs and status files is full.

Goal: the stream goes on without them, and nothing is lost, doubled or out of order; with room again, they are written again.
Method: under load the worker may not write any file beyond some bytes (RLIMIT_FSIZE: as on a full disk, only the error is another
one); and, where the tests may mount, its directory is a tmpfs of 2 MB that is filled up.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.disk import filled, small_disk
from tests.support.fault_matrix import FaultReport
from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures"]

MESSAGES_AT_FIRST, MESSAGES_MEANWHILE = 30, 300
"""A status file that was nearly written when the fault came may still appear, until the first of these are delivered."""
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@contextmanager
def file_limit(worker: WorkerProcess) -> Iterator[None]:
    """Every write to a file fails meanwhile."""
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, UNLIMITED)


def full_disk(worker: WorkerProcess) -> AbstractContextManager[None]:
    """Its disk is full meanwhile."""
    return filled(worker.state_dir)


@pytest.fixture(name="small_disk")
def its_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def stream_without_files(
    fault: Callable[[WorkerProcess], AbstractContextManager[None]],
    worker: WorkerProcess,
    oracle: Oracle,
    inbox: Inbox,
    report: FaultReport,
    seed: int,
) -> None:
    """It delivers while it can write no file, and writes them again afterwards."""
    with Load(oracle, seed=seed, pause_s=BUSY_S):
        inbox.records(50)
        with fault(worker):
            before = len(inbox.records())
            inbox.records(before + MESSAGES_AT_FIRST)
            frozen = worker.status["updatedAt"]
            inbox.records(before + MESSAGES_AT_FIRST + MESSAGES_MEANWHILE)
            assert worker.status["updatedAt"] <= frozen
        eventually(lambda: worker.status["updatedAt"] > frozen)
    assert worker.reached()["reopens"] == 0
    report.count(faults=1)


def test_no_file_can_be_written(
    launch: Launch, settings: dict[str, Any], oracle: Oracle, inbox: Inbox, settle: Settle, fault_report: FaultReport, seed: int
) -> None:
    worker = launch(settings)
    worker.reached()
    stream_without_files(file_limit, worker, oracle, inbox, fault_report, seed)
    settle(worker)


def test_the_disk_is_full(
    small_disk: Path,
    launch: Launch,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    settle: Settle,
    fault_report: FaultReport,
    seed: int,
) -> None:
    worker = launch(settings | {"log_level": "debug"}, state_dir=small_disk)
    worker.reached()
    stream_without_files(full_disk, worker, oracle, inbox, fault_report, seed)
    settle(worker)
