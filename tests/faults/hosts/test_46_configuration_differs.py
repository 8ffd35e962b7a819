"""Row 46: the configuration differs between the hosts.

Goal: a host that names another database, or has release 0.1.0, is refused: its worker ends and says why, and the other host goes
on. One that names other topics says so while it stands by, and writes to those once it takes over, with no change lost or doubled.
Messages of two databases are never mixed.
Method: a second worker of the same `kafka_client_id` with each of these, beside an active one with a lease, under a steady load.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.fault_matrix import FaultReport
from tests.support.kafka_cluster import KafkaCluster
from tests.support.load import Load
from tests.support.waiting import eventually
from tests.support.worker import OPERATIONS, Inbox, WorkerProcess, watcher_settings
from watcher.errors import ExitCode
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.old_release"]

LEASE = {"high_availability": True}
ENDS_TIMEOUT_S = 60.0


@pytest.fixture
def active(tmp_path: Path, settings: dict[str, Any]) -> Iterator[WorkerProcess]:
    """A worker with a lease, which streams."""
    with WorkerProcess(tmp_path / "a", settings | LEASE) as worker:
        worker.reached()
        yield worker


def test_another_database_is_refused_while_it_stands_by(
    active: WorkerProcess,
    mongo: ReplicaSet,
    settings: dict[str, Any],
    database: str,
    tmp_path: Path,
    load: Load,
    inbox: Inbox,
    compare: Compare,
    fault_report: FaultReport,
) -> None:
    elsewhere = {"mongodb_uri": mongo.uri("elsewhere")}
    with load, WorkerProcess(tmp_path / "b", settings | LEASE | elsewhere) as other:
        assert other.wait(ENDS_TIMEOUT_S) == ExitCode.CONFIGURATION
        assert f"belongs to database {database}, not to elsewhere" in other.output
        inbox.records(load.oracle.certain_writes + 20)
    goes_on(active, compare, fault_report)


def test_other_topics_are_told_and_get_what_comes_after_the_takeover(
    active: WorkerProcess,
    mongo: ReplicaSet,
    kafka: KafkaCluster,
    settings: dict[str, Any],
    database: str,
    tmp_path: Path,
    load: Load,
    inbox: Inbox,
    fault_report: FaultReport,
) -> None:
    prefix = f"{database}-b"
    others = watcher_settings(mongo.uri(database), kafka.bootstrap, prefix) | {"kafka_client_id": settings["kafka_client_id"]}
    both = Inbox(kafka.bootstrap, [*inbox.topics, *(f"{prefix}.{operation}" for operation in OPERATIONS)])
    with WorkerProcess(tmp_path / "b", others | LEASE) as standby:
        standby.reached("standby")
        assert_told(standby, active, settings, others)
        with load:
            before = len(inbox.records(20))
            active.kill()
            standby.reached()
            both.records(load.oracle.certain_writes + 20)
        records = both.records(load.oracle.certain_writes)
        load.oracle.check(records)
        assert before <= len(inbox.records()) < len(records)
        assert standby.logged("error") == []
    fault_report.count(faults=1, writes=load.oracle.certain_writes, messages=len(records))


@pytest.mark.parametrize(
    ("settings_of_its_own", "exit_code"), [(LEASE, ExitCode.CONFIGURATION), ({}, ExitCode.NOT_OWNER)], ids=["with it", "without it"]
)
def test_release_0_1_0_ends(
    settings_of_its_own: dict[str, Any],
    exit_code: ExitCode,
    active: WorkerProcess,
    settings: dict[str, Any],
    old_program: tuple[str, ...],
    tmp_path: Path,
    load: Load,
    inbox: Inbox,
    compare: Compare,
    fault_report: FaultReport,
) -> None:
    """It does not know the setting. Without it, it takes the watcher over once, and is displaced."""
    old = WorkerProcess(tmp_path / "old", settings | settings_of_its_own)
    old.program = old_program
    with load:
        inbox.records(20)
        with old:
            assert old.wait(ENDS_TIMEOUT_S) == exit_code, old.output
        active.reached()
        inbox.records(load.oracle.certain_writes + 20)
    goes_on(active, compare, fault_report)


def assert_told(standby: WorkerProcess, active: WorkerProcess, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Check that the standby names each topic that differs, in its status and its log."""
    host = active.status["host"]
    told = [f"{host} has {key} = {theirs[key]}, this host {ours[key]}" for key in ours if key.startswith("kafka_topic_")]
    eventually(lambda: sorted(standby.status["settingsDiffer"]) == sorted(told))
    words = "not the same settings on all hosts: "
    eventually(lambda: any(line["event"].startswith(words) for line in standby.logged("warning")))


def goes_on(active: WorkerProcess, compare: Compare, report: FaultReport) -> None:
    """Check that all was delivered, and that the active worker is still the same."""
    compare()
    report.count(faults=1)
    assert active.status["state"] == "streaming"
    assert active.logged("error") == []
