"""Row 4: SIGTERM while Kafka cannot be reached.

Goal: the worker ends by itself before supervisord would lose patience and kill it, and what was not committed is read again:
nothing is lost or doubled.
Method: a proxy in front of Kafka swallows all traffic, then something is written so that a transaction hangs, then SIGTERM.
"""

from __future__ import annotations

import time
from typing import Any

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.fleet.programs import STOP_WAIT_SECONDS

pytest_plugins = ["tests.support.worker_fixtures"]


def test_terminated_while_kafka_is_silent(
    launch: Launch,
    settings: dict[str, Any],
    kafka_proxy: TcpProxy,
    oracle: Oracle,
    settle: Settle,
    seed: int,
    fault_report: FaultReport,
) -> None:
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address})
    worker.reached()
    with Load(oracle, seed=seed):
        eventually(lambda: oracle.certain_writes > 100)
        kafka_proxy.behave(swallow=True)
        eventually(lambda: worker.status["bufferSize"] > 0)  # a batch that cannot be committed
        told = time.monotonic()
        assert worker.stop(STOP_WAIT_SECONDS) == 0
        fault_report.remark(f"ended after {time.monotonic() - told:.1f} s")
    kafka_proxy.heal()
    restarted = time.monotonic()
    worker.start().reached()
    fault_report.recovered(time.monotonic() - restarted)
    fault_report.count(faults=1)
    settle(worker)
