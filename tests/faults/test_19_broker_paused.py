"""Row 19: the broker stops answering, and goes on later.

Goal: the worker keeps trying with bounded memory, and neither ends nor loses, doubles or reorders anything.
Method: a broker of its own under load gets SIGSTOP for longer than a transaction may last, and SIGCONT: 35 s, or 90 s in the long
form. If messages are missing, first see whether Kafka has left a transaction open (docs/reliability.md): its log says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.own_kafka import own_broker, skipped_markers
from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.config.kafka_client import TRANSACTION_TIMEOUT_MS
from watcher.fleet.troubles import DELIVERING_SECONDS
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

PAUSE_S, PAUSE_LONG_S = 35.0, 90.0
COMMITTED_AGAIN_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def kafka(server_directory: Path, pytestconfig: pytest.Config) -> Iterator[ApacheKafka]:
    """A broker to be paused."""
    with own_broker(server_directory / "paused-kafka", pytestconfig) as broker:
        yield broker


@pytest.mark.timeout(240)
def test_the_broker_is_paused(
    launch: Launch,
    settings: dict[str, Any],
    kafka: ApacheKafka,
    oracle: Oracle,
    settle: Settle,
    fault_report: FaultReport,
    seed: int,
    long_form: bool,
) -> None:
    pause_s = PAUSE_LONG_S if long_form else PAUSE_S
    assert pause_s * 1000 > TRANSACTION_TIMEOUT_MS
    worker = launch(settings)
    worker.reached()
    pid = worker.pid
    with Load(oracle, seed=seed, pause_s=0.005):
        eventually(lambda: worker.status["messagesCommitted"] > 50)
        kafka.pause()
        paused = time.monotonic()
        eventually(lambda: worker.status["deliveringSeconds"] >= DELIVERING_SECONDS, pause_s)
        assert worker.status["state"] == "streaming"
        time.sleep(max(0.0, paused + pause_s - time.monotonic()))
        status = worker.reached("waiting")
        assert status["lastError"]["component"] == "kafka"
        assert status["kafkaConnected"] is False
        kafka.resume()
        back, committed = time.monotonic(), worker.status["messagesCommitted"]
        eventually(lambda: worker.status["messagesCommitted"] > committed, COMMITTED_AGAIN_WITHIN_S)
        fault_report.recovered(time.monotonic() - back)
        fault_report.count(faults=1)
    assert skipped_markers(kafka) == [], "KAFKA-20734: Kafka itself has broken transactions"
    settle(worker, timeout_s=90)
    assert worker.pid == pid
    assert worker.logged("error") == []
