"""Row 43: the active host is cut off from Kafka, from MongoDB, or from both.

Goal: cut off from Kafka, it loses the lease, waits, and stands by when it is back; the other host takes over. Cut off from MongoDB
alone, it keeps the lease and waits, until somebody wants a switchover. Nothing is lost, doubled or out of order.
Method: the first host reaches every server through a proxy, which swallows everything under a steady load; the second one reaches
them directly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import NAME, TAKEOVER_TIMEOUT_S
from tests.support.kafka_cluster import KafkaCluster
from tests.support.load import Load
from tests.support.proxy import TcpProxy
from tests.support.worker import Inbox, WorkerProcess
from watcher.cli import run_command_line
from watcher.kafka.lease_rules import SESSION_SECONDS
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

KEPT_SECONDS = SESSION_SECONDS + 4.0
"""Time after which a lease that its holder no longer renews would be another's."""


@pytest.fixture
def kafka_proxies(kafka: KafkaCluster) -> Iterator[list[TcpProxy]]:
    """A proxy in front of each node, to which clients that come by one of them are sent for the others."""
    with ExitStack() as stack:
        yield [stack.enter_context(TcpProxy(node.behind_proxy_port, port=node.proxy_port)) for node in kafka.nodes]


@pytest.fixture
def mongo_proxies(mongo: ReplicaSet) -> Iterator[list[TcpProxy]]:
    """A proxy in front of the primary."""
    with TcpProxy(mongo.wait_for_primary().port) as proxy:
        yield [proxy]


@pytest.fixture
def workers(
    tmp_path: Path, kafka_proxies: Sequence[TcpProxy], mongo_proxies: Sequence[TcpProxy], database: str, settings: dict[str, Any]
) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """The active one, which is behind the proxies, and the standby."""
    behind_proxies = {
        "kafka_brokers": ",".join(proxy.address for proxy in kafka_proxies),
        "mongodb_uri": f"mongodb://{mongo_proxies[0].address}/{database}?directConnection=true&serverSelectionTimeoutMS=2000",
    }
    lease = {"high_availability": True}
    with WorkerProcess(tmp_path / "a", settings | behind_proxies | lease, name=NAME) as active:
        active.reached()
        with WorkerProcess(tmp_path / "b", settings | lease, name=NAME) as standby:
            standby.reached("standby")
            yield active, standby


@contextmanager
def cut_off(proxies: Sequence[TcpProxy]) -> Iterator[None]:
    """Swallow everything meanwhile."""
    for proxy in proxies:
        proxy.behave(swallow=True)
    yield
    for proxy in proxies:
        proxy.heal()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mongodb_too", [False, True], ids=["from Kafka", "from both"])
def test_without_kafka_another_host_takes_over(
    mongodb_too: bool,
    workers: tuple[WorkerProcess, WorkerProcess],
    kafka_proxies: list[TcpProxy],
    mongo_proxies: list[TcpProxy],
    load: Load,
    inbox: Inbox,
    compare: Compare,
    fault_report: FaultReport,
) -> None:
    active, standby = workers
    with load:
        inbox.records(20)
        cut = time.monotonic()
        with cut_off([*kafka_proxies, *(mongo_proxies if mongodb_too else [])]):
            standby.reached(timeout_s=TAKEOVER_TIMEOUT_S)
            fault_report.recovered(time.monotonic() - cut)
            fault_report.count(faults=1)
            active.reached("waiting", timeout_s=90)  # once its last commit has timed out
        active.reached("standby", timeout_s=60)
        inbox.records(load.oracle.certain_writes + 20)
        assert standby.status["state"] == "streaming"
    compare()


@pytest.mark.timeout(300)
def test_without_mongodb_alone_it_keeps_the_lease_until_a_switchover(
    workers: tuple[WorkerProcess, WorkerProcess],
    mongo_proxies: list[TcpProxy],
    load: Load,
    inbox: Inbox,
    compare: Compare,
    fault_report: FaultReport,
) -> None:
    active, standby = workers
    with load:
        inbox.records(20)
        with cut_off(mongo_proxies):
            active.reached("waiting", timeout_s=90)
            keeps(active, standby)
            begun = time.monotonic()
            where = ["--config", str(standby.conf_dir), "--state-dir", str(standby.state_dir)]
            assert run_command_line(["switchover", NAME, "--wait", *where]) == 0
            standby.reached()
            fault_report.recovered(time.monotonic() - begun)
            fault_report.count(faults=1)
            active.reached("standby", timeout_s=60)
        inbox.records(load.oracle.certain_writes + 20)
    compare()


def keeps(active: WorkerProcess, standby: WorkerProcess) -> None:
    """Wait for KEPT_SECONDS; AssertionError if the lease moves meanwhile."""
    ends = time.monotonic() + KEPT_SECONDS

    def is_over() -> bool:
        assert (active.ended, standby.status["state"]) == (False, "standby"), "the lease stays where it is"
        return time.monotonic() >= ends

    while not is_over():
        time.sleep(0.1)
