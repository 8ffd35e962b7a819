"""Row 32: many watchers, and one of them flaps.

Goal: the others do not notice: none is restarted, none has an error, all deliver. The machine is not busy with the flapping one.
Method: watchers of databases of their own under one supervisord: fifty in the long form, eight in the short one, for each is a
process that takes half a second of a core to start. One dies in the first transaction of each of its lives (exit code 137).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from tests.support.failing_worker import Point, program
from tests.support.fault_matrix import FaultReport
from tests.support.oracle import Oracle
from tests.support.real_fleet import RealFleet
from tests.support.worker import Inbox
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

pytestmark = pytest.mark.alone  # a share of the processor has a limit

WATCHERS, WATCHERS_LONG = 8, 50
FLAPPING = "flapping"
ROUNDS = 20
"""Documents for each watcher, at least; more of them until the flapping one has died often enough."""

ROUND_S = 0.5
CRASHES = 3
CRASHES_WITHIN_S = 120
LARGEST_CPU_SHARE = 0.5
"""Of one core, for the flapping watcher: its waits between starts must leave the machine to the others."""


@pytest.fixture
def databases(mongo_client: MongoClient[dict[str, Any]], prefix: str, long_form: bool) -> Iterator[dict[str, str]]:
    """The names of the watchers that are well, and of their databases."""
    count = WATCHERS_LONG if long_form else WATCHERS
    names = {f"w{number:02}": f"{prefix}{number:02}" for number in range(count - 1)}
    yield names
    for database in (*names.values(), f"{prefix}-{FLAPPING}"):
        mongo_client.drop_database(database)


def test_the_others_do_not_notice(
    databases: dict[str, str],
    mongo: ReplicaSet,
    kafka: Broker,
    mongo_client: MongoClient[dict[str, Any]],
    prefix: str,
    fleet_directory: Path,
    fault_report: FaultReport,
) -> None:
    def settings(database: str) -> dict[str, Any]:
        common = {"kafka_brokers": kafka.bootstrap, "kafka_db_changes_topic": f"{prefix}.changes"}
        return common | {"mongodb_uri": mongo.uri(database), "kafka_client_id": database}

    flapping = f"{prefix}-{FLAPPING}"
    watchers = {name: settings(database) for name, database in (databases | {FLAPPING: flapping}).items()}
    with RealFleet(fleet_directory, watchers, {FLAPPING: program(Point.AFTER_PRODUCE, 1)}) as fleet:
        before = {name: fleet.reached(name, timeout_s=100)["pid"] for name in databases}
        fleet.reached(FLAPPING)
        oracles = {name: Oracle(mongo_client[database]) for name, database in databases.items()}
        with cpu_measured(fleet, fault_report):
            rounds, deadline = 0, time.monotonic() + CRASHES_WITHIN_S
            while rounds < ROUNDS or fleet.status(FLAPPING).get("restarts", 0) < CRASHES:
                assert time.monotonic() < deadline, f"the flapping one has not died {CRASHES} times"
                mongo_client[flapping].users.insert_one({"_id": rounds})
                for oracle in oracles.values():
                    oracle.insert("users", rounds)
                rounds += 1
                time.sleep(ROUND_S)
        records = Inbox(kafka.bootstrap, [f"{prefix}.changes"]).records(len(databases) * rounds)
        for name, oracle in oracles.items():
            oracle.check([record for record in records if record.json["database"] == databases[name]])
            check_undisturbed(fleet.reached(name), before[name])
            fault_report.measure(before[name])
        crashes = fleet.status(FLAPPING)["restarts"]
        fault_report.count(writes=len(databases) * rounds, faults=crashes, messages=len(records))
        fault_report.remark(f"{len(watchers)} watchers")


def check_undisturbed(status: dict[str, Any], pid: int) -> None:
    """It is the same process still, and has nothing to tell."""
    assert (status["pid"], status["restarts"], status["errors"], status["reopens"]) == (pid, 0, 0, 0)


@contextmanager
def cpu_measured(fleet: RealFleet, fault_report: FaultReport) -> Iterator[None]:
    """The share of a core that supervisord has used with the workers that have ended, which are those of the flapping watcher."""
    supervisord = psutil.Process(fleet.supervisord_pid)
    started, before = time.monotonic(), used_seconds(supervisord)
    yield
    share = (used_seconds(supervisord) - before) / (time.monotonic() - started)
    fault_report.remark(f"the flapping one takes {share:.0%} of a core")
    assert share < LARGEST_CPU_SHARE


def used_seconds(process: psutil.Process) -> float:
    """CPU time of a process and of those of its children that have ended."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system
