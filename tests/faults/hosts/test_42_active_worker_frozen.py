"""Row 42: the active host is frozen, and wakes after another one has taken over.

Goal: the other host takes over within ten seconds. The one that wakes writes nothing, ends with no error, and stands by. Nothing is
lost, doubled or out of order.
Method: SIGSTOP for supervisord and worker of the active host under a steady load, SIGCONT once the other one streams; in turn.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import NAME, Host, changes_come, seconds_to_takeover
from tests.support.load import Load

pytest_plugins = ["tests.support.worker_fixtures"]

FREEZES, FREEZES_LONG = 1, 100


@pytest.mark.timeout(300)
def test_awake_it_stands_by(
    hosts: tuple[Host, Host], load: Load, compare: Compare, fault_report: FaultReport, long_form: bool
) -> None:
    active, standby = hosts
    with load:
        for _ in range(FREEZES_LONG if long_form else FREEZES):
            changes_come(hosts, load)
            pid = active.fleet.process(NAME).pid
            frozen = time.time()
            active.freeze()
            fault_report.recovered(seconds_to_takeover(standby, frozen))
            fault_report.count(faults=1)
            active.wake()
            assert active.fleet.reached(NAME, "standby")["pid"] == pid, "it has not ended"
            changes_come(hosts, load)
            assert standby.is_in("streaming")
            active, standby = standby, active
    compare()
