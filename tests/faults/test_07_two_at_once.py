"""Row 7: two instances are started at once, as on two hosts.

Goal: one stays and streams, the other one exits 81; nothing is doubled or lost.
Method: two workers of one watcher with different run directories, so that no lock file keeps them apart, started in the same moment
under a steady load; twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.errors import ExitCode

pytest_plugins = ["tests.support.worker_fixtures"]


@pytest.mark.parametrize("attempt", [1, 2])
def test_one_stays(
    attempt: int,
    launch: Launch,
    settings: dict[str, Any],
    tmp_path: Path,
    oracle: Oracle,
    inbox: Inbox,
    settle: Settle,
    seed: int,
    fault_report: FaultReport,
) -> None:
    first = launch(settings)
    first.reached()  # a beginning, so that no write is before it
    first.stop()
    with Load(oracle, seed=seed + attempt, pause_s=0.01):
        both = [first.start(), launch(settings, state_dir=tmp_path / "elsewhere")]
        ended = eventually(lambda: [worker for worker in both if worker.process.poll() is not None], 60)
        inbox.records(oracle.certain_writes + 100)
    assert [worker.wait() for worker in ended] == [ExitCode.NOT_OWNER]
    (survivor,) = (worker for worker in both if worker not in ended)
    survivor.reached()
    fault_report.count(faults=1)
    settle(survivor)
