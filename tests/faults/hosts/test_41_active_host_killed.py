"""Row 41: the active host is killed, supervisord and worker.

Goal: the worker of the other host takes over within ten seconds. Nothing is lost, doubled or out of order. The killed host stands
by when it is back, and takes nothing away.
Method: two state directories with a supervisord each, as two hosts. SIGKILL for all processes of the active one under a steady
load, again and again, in turn; once with several watchers, ten in the long form.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import NAME, Host, changes_come, seconds_to_takeover, two_hosts
from tests.support.kafka_cluster import KafkaCluster
from tests.support.load import Load
from tests.support.worker import watcher_settings
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

KILLS, KILLS_LONG = 2, 100
WATCHERS, WATCHERS_LONG = 3, 10


@pytest.mark.timeout(300)
def test_the_other_host_takes_over(
    hosts: tuple[Host, Host], load: Load, compare: Compare, fault_report: FaultReport, long_form: bool
) -> None:
    active, standby = hosts
    with load:
        rss = standby.fleet.status(NAME)["rssBytes"] / 2**20
        fault_report.remark(f"a standby takes {rss:.0f} MiB")
        for _ in range(KILLS_LONG if long_form else KILLS):
            changes_come(hosts, load)
            killed = time.time()
            active.kill()
            fault_report.recovered(seconds_to_takeover(standby, killed))
            fault_report.measure(standby.fleet.process(NAME).pid)
            fault_report.count(faults=1)
            active.start()
            active.stands_by()
            assert standby.is_in("streaming"), "who comes back takes nothing away"
            active, standby = standby, active
    compare()


@pytest.mark.timeout(300)
def test_all_watchers_of_a_host_are_taken_over(
    host_directories: tuple[Path, Path],
    mongo: ReplicaSet,
    kafka: KafkaCluster,
    database: str,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    names = [f"watcher{number}" for number in range(WATCHERS_LONG if long_form else WATCHERS)]
    watchers = {name: watcher_settings(mongo.uri(database), kafka.bootstrap, f"{database}-{name}") for name in names}
    with two_hosts(host_directories, watchers) as (active, standby):
        killed = time.time()
        active.kill()
        seconds = [seconds_to_takeover(standby, killed, name) for name in names]
        fault_report.remark(f"{len(names)} watchers in {max(seconds):.1f} s")
        fault_report.count(faults=1)
