"""Row 43: the active host is cut off from Kafka, or from MongoDB.

Goal: cut off from Kafka, it loses the lease, waits, and stands by when it is back; the other host takes over. Cut off from MongoDB
alone, it keeps the lease and waits, until somebody wants a switchover. Nothing is lost, doubled or out of order.
Method: the first host reaches the server through a proxy, which swallows everything under a steady load; the second one reaches it
directly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import NAME, TAKEOVER_TIMEOUT_S
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.worker import Inbox, WorkerProcess
from watcher.cli import run_command_line
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

KEPT_SECONDS = 10.0
"""Longer than a session of the group."""


@contextmanager
def two_hosts(
    directory: Path, settings: dict[str, Any], behind_proxy: dict[str, Any]
) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """The active host, which is behind a proxy, and the standby."""
    lease = {"high_availability": True}
    with WorkerProcess(directory / "a", settings | behind_proxy | lease, name=NAME) as active:
        active.reached()
        with WorkerProcess(directory / "b", settings | lease, name=NAME) as standby:
            standby.reached("standby")
            yield active, standby


@pytest.mark.timeout(300)
def test_cut_off_from_kafka(
    tmp_path: Path,
    kafka_proxy: TcpProxy,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    compare: Compare,
    seed: int,
    fault_report: FaultReport,
) -> None:
    behind_proxy = {"kafka_brokers": kafka_proxy.address}
    with two_hosts(tmp_path, settings, behind_proxy) as (active, standby):
        with Load(oracle, seed=seed, pause_s=0.01):
            inbox.records(20)
            cut = time.monotonic()
            kafka_proxy.behave(swallow=True)
            standby.reached(timeout_s=TAKEOVER_TIMEOUT_S)
            fault_report.recovered(time.monotonic() - cut)
            fault_report.count(faults=1)
            active.reached("waiting", timeout_s=90)  # once its last commit has timed out
            kafka_proxy.heal()
            active.reached("standby", timeout_s=60)
            inbox.records(oracle.certain_writes + 20)
            assert standby.status["state"] == "streaming"
        compare()


@pytest.mark.timeout(300)
def test_cut_off_from_mongodb(
    tmp_path: Path,
    apache: ApacheKafka,
    mongo: ReplicaSet,
    mongo_proxy: TcpProxy,
    database: str,
    settings: dict[str, Any],
    oracle: Oracle,
    inbox: Inbox,
    compare: Compare,
    seed: int,
    fault_report: FaultReport,
) -> None:
    del apache, mongo  # the lease needs a broker with groups; the load a server
    behind_proxy = {
        "mongodb_uri": f"mongodb://{mongo_proxy.address}/{database}?directConnection=true&serverSelectionTimeoutMS=2000"
    }
    with two_hosts(tmp_path, settings, behind_proxy) as (active, standby):
        with Load(oracle, seed=seed, pause_s=0.01):
            inbox.records(20)
            mongo_proxy.behave(swallow=True)
            active.reached("waiting", timeout_s=90)
            ends = time.monotonic() + KEPT_SECONDS
            while time.monotonic() < ends:
                assert standby.status["state"] == "standby", "the lease stays where it is"
                time.sleep(0.1)
            begun = time.monotonic()
            where = ["--config", str(standby.conf_dir), "--state-dir", str(standby.state_dir)]
            assert run_command_line(["switchover", NAME, "--wait", *where]) == 0
            standby.reached()
            fault_report.recovered(time.monotonic() - begun)
            fault_report.count(faults=1)
            active.reached("standby", timeout_s=60)
            mongo_proxy.heal()
            inbox.records(oracle.certain_writes + 20)
        compare()
