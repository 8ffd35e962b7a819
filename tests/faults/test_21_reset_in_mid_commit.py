"""Row 21: the connection is reset in the middle of a transaction.

Goal: whether a commit has reached the broker or not, nothing is lost, doubled or out of order.
Method: Apache Kafka behind a proxy that resets its connections after a random number of bytes, of the size of a few requests, and
every new one too, until it is healed a random time later. Over and over, under load.
"""

from __future__ import annotations

import time
from random import Random
from typing import Any

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import Launch

pytest_plugins = ["tests.support.worker_fixtures"]

RESETS, RESETS_LONG = 12, 500
MOST_BYTES = 8_000
COMMITTED_AGAIN_WITHIN_S = 60.0


def test_connections_are_reset_after_a_random_number_of_bytes(
    launch: Launch,
    settings: dict[str, Any],
    kafka_proxy: TcpProxy,
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    rng: Random,
    long_form: bool,
) -> None:
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address})
    worker.reached()
    with Load(oracle, seed=rng.randrange(2**32), pause_s=BUSY_S):
        for _ in range(RESETS_LONG if long_form else RESETS):
            accepted = kafka_proxy.connections_accepted
            kafka_proxy.behave(reset_after_bytes=rng.randrange(1, MOST_BYTES))
            eventually(lambda before=accepted: kafka_proxy.connections_accepted > before)
            time.sleep(rng.uniform(0, 0.3))
            healed, committed = time.monotonic(), worker.status["messagesCommitted"]
            kafka_proxy.heal()
            eventually(lambda before=committed: worker.status["messagesCommitted"] > before, COMMITTED_AGAIN_WITHIN_S)
            fault_report.recovered(time.monotonic() - healed)
            fault_report.count(faults=1)
    settle(worker)
    assert worker.logged("error") == []
