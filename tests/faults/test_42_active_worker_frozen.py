"""Row 42: the active host is frozen, and wakes after another one has taken over.

Goal: the other host takes over within ten seconds. The one that wakes writes nothing, ends with no error, and stands by. Nothing is
lost, doubled or out of order.
Method: SIGSTOP for supervisord and worker of the active host under a steady load, SIGCONT once the other one streams; in turn.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import NAME, seconds_to_takeover, two_hosts
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.worker import Inbox
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

FREEZES, FREEZES_LONG = 2, 100


@pytest.mark.timeout(300)
def test_awake_it_stands_by(
    host_directories: tuple[Path, Path],
    apache: ApacheKafka,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    compare: Compare,
    seed: int,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    del apache  # the lease needs a broker with groups
    with two_hosts(host_directories, settings) as (active, standby):
        with Load(oracle, seed=seed, pause_s=0.01):
            for _ in range(FREEZES_LONG if long_form else FREEZES):
                inbox.records(oracle.certain_writes)
                pid = active.fleet.process(NAME).pid
                frozen = time.monotonic()
                active.signal(signal.SIGSTOP)
                fault_report.recovered(seconds_to_takeover(standby, frozen))
                fault_report.count(faults=1)
                active.signal(signal.SIGCONT)
                assert active.fleet.reached(NAME, "standby")["pid"] == pid, "it has not ended"
                inbox.records(oracle.certain_writes + 20)
                assert standby.is_in("streaming")
                active, standby = standby, active
        compare()
