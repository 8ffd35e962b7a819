"""Row 22: the way to Kafka is slow: 200 ms there and 200 ms back, and 1 Mbit/s.

Goal: the worker falls behind, and says so by its lag, but delivers what the link carries; its memory does not grow, and nothing is
lost, doubled or out of order.
Method: a proxy delays and narrows what goes to Apache Kafka, while more is written than the link can carry. Then it is healed, and
the worker catches up.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.background import Background
from tests.support.fault_matrix import FaultReport
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import Launch

pytest_plugins = ["tests.support.worker_fixtures"]

SLOW = {"latency_s": 0.2, "bytes_per_s": 125_000.0}
SLOW_S, SLOW_LONG_S = 18.0, 120.0
LAG_S = 10
BEHIND_WITHIN_S = 90.0
"""On a busy machine less is written in a second, and the lag grows more slowly."""
DOCUMENT_BYTES = 20_000
THROUGH = 25
THROUGH_WITHIN_S = 60.0
"""Half a megabyte, more than a single transaction would hold on a link like this; it takes some 5 s."""


@pytest.mark.timeout(300)
def test_more_is_written_than_the_link_carries(
    launch: Launch,
    settings: dict[str, Any],
    kafka_proxy: TcpProxy,
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address})
    worker.reached()
    kafka_proxy.behave(**SLOW)
    slow_until = time.monotonic() + (SLOW_LONG_S if long_form else SLOW_S)
    with wide_load(oracle):
        eventually(lambda: (worker.status["lagSeconds"] or 0) >= LAG_S, BEHIND_WITHIN_S)
        before = worker.status["messagesCommitted"]
        eventually(lambda: worker.status["messagesCommitted"] >= before + THROUGH, THROUGH_WITHIN_S)
        time.sleep(max(0.0, slow_until - time.monotonic()))
        status = worker.status
        fault_report.measure(worker.pid)
    fault_report.remark(f"lag {status['lagSeconds']} s, {status['messagesCommitted']} messages came through")
    fault_report.count(faults=1)
    kafka_proxy.heal()
    settle(worker)
    assert worker.logged("error") == []


def wide_load(oracle: Oracle) -> Background:
    """Ten times what the link carries."""

    def write(stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.02):
            oracle.insert("users", number, text="x" * DOCUMENT_BYTES)
            number += 1

    return Background(write, "wide-load")
