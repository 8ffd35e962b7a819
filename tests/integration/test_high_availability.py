"""A watcher on several hosts: one worker streams, the others stand by, and one of them takes over."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.kafka_topics import delete_topic
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.cli import run_command_line
from watcher.cli.exit_codes import CliExitCode
from watcher.errors import ExitCode
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
TAKEOVER_SECONDS = 10.0
SLACK_SECONDS = 5.0
"""For a busy machine."""


@pytest.fixture
def hosts(launch: Launch, settings: Document, tmp_path: Path, apache: ApacheKafka) -> list[WorkerProcess]:
    """An active worker, and one that stands by."""
    del apache  # the lease needs a broker with consumer groups
    first = launch(settings | {"high_availability": True})
    first.reached()
    second = launch(settings | {"high_availability": True, "batch_size": 500}, state_dir=tmp_path / "host-b")
    second.reached("standby")
    return [first, second]


def test_the_standby_says_who_is_active_and_takes_over_in_an_orderly_way(
    hosts: list[WorkerProcess], inbox: Inbox, db: Database[Document]
) -> None:
    first, second = hosts
    assert eventually(lambda: second.status["activeHost"]) == first.status["host"]
    assert second.status["headroomSeconds"] is None
    since = datetime.fromisoformat(second.status["activeSince"])
    assert datetime.fromisoformat(first.status["startedAt"]) <= since <= datetime.fromisoformat(second.status["updatedAt"])
    assert second.status["settingsDiffer"] == [f"{first.status['host']} has batch_size = 2000, this host 500"]
    oracle = Oracle(db)
    with Load(oracle, pause_s=0.01):
        inbox.records(20)
        begun = time.monotonic()
        assert first.stop() == 0
        assert second.reached()["activeHost"] is None
        assert time.monotonic() - begun < TAKEOVER_SECONDS
        first.start().reached("standby")
        inbox.records(oracle.certain_writes + 20)
        assert second.status["state"] == "streaming", "nobody who comes takes the lease"
    oracle.check(inbox.records(oracle.certain_writes))


def switch_over(host: WorkerProcess, *options: str) -> int:
    """`watcherctl switchover` on this host."""
    where = ["--config", str(host.conf_dir), "--state-dir", str(host.state_dir)]
    return run_command_line(["switchover", host.name, *options, *where])


def test_a_switchover_moves_the_watcher_from_either_host(
    hosts: list[WorkerProcess], inbox: Inbox, db: Database[Document], capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = hosts
    oracle = Oracle(db)
    with Load(oracle, pause_s=0.01):
        for active, standby in ((first, second), (second, first)):
            inbox.records(oracle.certain_writes + 20)
            assert switch_over(second, "--wait") == CliExitCode.OK
            assert capfd.readouterr().out == f"dashboard  active on {first.status['host']}\n"
            standby.reached("streaming")
            active.reached("standby")
            eventually(lambda active=active: active.status["activeHost"])
        inbox.records(oracle.certain_writes + 20)
    oracle.check(inbox.records(oracle.certain_writes))


def test_a_switchover_to_nobody_is_refused(hosts: list[WorkerProcess], capfd: pytest.CaptureFixture[str]) -> None:
    first, second = hosts
    assert second.stop() == 0
    assert switch_over(first) == CliExitCode.FAILED
    assert "No other host stands by" in capfd.readouterr().err
    assert first.status["state"] == "streaming"


def test_frozen_it_loses_the_lease_and_awake_it_stands_by(hosts: list[WorkerProcess], inbox: Inbox, db: Database[Document]) -> None:
    first, second = hosts
    oracle = Oracle(db)
    with Load(oracle, pause_s=0.01):
        inbox.records(20)
        first.signal(signal.SIGSTOP)
        second.reached(timeout_s=TAKEOVER_SECONDS + SLACK_SECONDS)
        first.signal(signal.SIGCONT)
        first.reached("standby")
        inbox.records(oracle.certain_writes + 20)
    oracle.check(inbox.records(oracle.certain_writes))
    assert not first.ended


def test_a_worker_without_a_lease_is_displaced_and_ends(
    hosts: list[WorkerProcess], launch: Launch, settings: Document, tmp_path: Path, inbox: Inbox, db: Database[Document]
) -> None:
    foreigner = WorkerProcess(tmp_path / "foreign", settings)
    with foreigner:
        assert foreigner.wait(60) == ExitCode.NOT_OWNER
        name = f"process {foreigner.pid} on {hosts[0].status['host']}"
    assert hosts[0].reached()["foreigner"] == name
    db.users.insert_one({"_id": 1})
    assert len(inbox.records(1)) == 1
    assert hosts[1].status["state"] == "standby"


def test_a_standby_takes_no_deleted_position_topic_for_a_first_start(
    hosts: list[WorkerProcess], apache: ApacheKafka, settings: Document
) -> None:
    delete_topic(apache, f"{settings['kafka_client_id']}.position")
    assert [host.wait(90) for host in hosts] == [ExitCode.POSITION_LOST] * 2
