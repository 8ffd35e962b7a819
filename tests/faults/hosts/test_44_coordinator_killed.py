"""Row 44: a coordinator in Kafka is killed, and all brokers are restarted in turn.

Goal: the stream goes on by itself, on the same host or on the other one; if its host is killed too, on the other one. Nothing is
lost, doubled or out of order.
Method: three brokers with Kafka's own time-outs under a steady load. SIGKILL for the coordinator of the transactions, and of the
group together with the active host, in the long form also alone; then SIGTERM and a start for one broker after the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import Host, changes_come, settled
from tests.support.kafka_cluster import GROUPS, TRANSACTIONS, KafkaCluster
from tests.support.load import Load
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

GOES_ON_TIMEOUT_S = 60.0
"""Kafka misses a dead broker after 9 s, and a worker whose transaction hangs opens again after 40 s at the latest."""

ROUNDS, ROUNDS_LONG = 1, 10


@contextmanager
def killed(node: ApacheKafka, kafka: KafkaCluster) -> Iterator[None]:
    """Kill the node, and start it again at the end."""
    node.kill()
    yield
    node.start()
    kafka.wait_until_in_sync()


@pytest.mark.timeout(300)
def test_a_coordinator_is_killed(
    kafka: KafkaCluster,
    settings: dict[str, Any],
    hosts: tuple[Host, Host],
    load: Load,
    compare: Compare,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    client_id = settings["kafka_client_id"]
    coordinators = ((TRANSACTIONS, client_id), (GROUPS, f"{client_id}.lease"))
    with load:
        for _ in range(ROUNDS_LONG if long_form else ROUNDS):
            for topic, name in coordinators if long_form else coordinators[:1]:
                changes_come(hosts, load)
                begun = time.monotonic()
                with killed(kafka.coordinator(topic, name), kafka):
                    changes_come(hosts, load, GOES_ON_TIMEOUT_S)
                    fault_report.recovered(time.monotonic() - begun)
                fault_report.count(faults=1)
            active, standby = settled(hosts, GOES_ON_TIMEOUT_S)
            begun = time.monotonic()
            with killed(kafka.coordinator(GROUPS, f"{client_id}.lease"), kafka):
                active.kill()
                changes_come([standby], load, GOES_ON_TIMEOUT_S)
                fault_report.remark(f"with the active host {time.monotonic() - begun:.1f} s")
            fault_report.count(faults=2)
            active.start()
            active.stands_by()
    compare()


@pytest.mark.timeout(300)
def test_all_brokers_are_restarted_in_turn(
    kafka: KafkaCluster, hosts: tuple[Host, Host], load: Load, compare: Compare, fault_report: FaultReport, long_form: bool
) -> None:
    with load:
        for _ in range(ROUNDS_LONG if long_form else ROUNDS):
            for node in kafka.nodes:
                changes_come(hosts, load)
                begun = time.monotonic()
                node.stop()
                changes_come(hosts, load, GOES_ON_TIMEOUT_S)
                fault_report.recovered(time.monotonic() - begun)
                node.start()
                kafka.wait_until_in_sync()
                fault_report.count(faults=1)
    compare()
