"""The commands that supervisord's users know, on workers that stream: `supervisorctl -c run/supervisord.conf`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import Inbox, environment, watcher_settings
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

SUPERVISORCTL = [str(Path(sys.executable).with_name("supervisorctl")), "-c", "run/supervisord.conf"]
RUNNING = re.compile(r"^(\S+) +RUNNING +pid (\d+), uptime", re.MULTILINE)
WATCHERS = ("analytics", "dashboard")
TIMEOUT_S = 60

ONE_IS_STOPPED = 3
"""The exit code of `status`, supervisorctl's and ours."""


@pytest.fixture
def here(mongo: ReplicaSet, kafka: Broker, database: str) -> Iterator[WatcherctlDirectory]:
    """Two watchers of one database that stream, each to topics of its own."""
    with WatcherctlDirectory() as directory:
        for name in WATCHERS:
            directory.write_toml(name, watcher_settings(mongo.uri(database), kafka.bootstrap, f"{database}-{name}"))
        directory.run("start", "--all")
        yield directory


def supervisorctl(here: WatcherctlDirectory, *arguments: str, code: int = 0) -> str:
    """Return what it prints, in the deployment's directory."""
    result = subprocess.run(
        [*SUPERVISORCTL, *arguments], cwd=here.path, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def pids(here: WatcherctlDirectory, code: int = 0) -> dict[str, int]:
    """The workers that run, from `status`."""
    return {name: int(pid) for name, pid in RUNNING.findall(supervisorctl(here, "status", code=code))}


def streams(here: WatcherctlDirectory, name: str, pid: int) -> bool:
    status = here.status(name)
    return (status["pid"], status["state"]) == (pid, "streaming")


def test_status_restart_and_tail(here: WatcherctlDirectory, mongo_client: MongoClient[Any], kafka: Broker, database: str) -> None:
    inboxes = {name: Inbox(kafka.bootstrap, [f"{database}-{name}.insert"]) for name in WATCHERS}
    before = pids(here)
    assert before == {name: here.status(name)["pid"] for name in WATCHERS}
    mongo_client[database].users.insert_one({"_id": 1})
    for inbox in inboxes.values():
        assert len(inbox.messages(1)) == 1

    assert supervisorctl(here, "restart", "dashboard") == "dashboard: stopped\ndashboard: started\n"
    after = pids(here)
    assert after["dashboard"] != before["dashboard"]
    assert after["analytics"] == before["analytics"]
    eventually(lambda: streams(here, "dashboard", after["dashboard"]))
    mongo_client[database].users.insert_one({"_id": 2})
    for inbox in inboxes.values():
        messages = inbox.messages(2)
        assert [(message["documentKey"]["_id"], message["sequence"]) for message in messages] == [(1, 1), (2, 2)]

    lines = supervisorctl(here, "tail", "dashboard").splitlines()
    assert any('"watcher":"dashboard"' in line and '"streaming"' in line for line in lines)
    assert supervisorctl(here, "update") == ""


def test_restart_all_and_stop(here: WatcherctlDirectory) -> None:
    before = pids(here)
    supervisorctl(here, "restart", "all")
    after = pids(here)
    assert set(before.values()).isdisjoint(after.values())
    for name in WATCHERS:
        eventually(lambda name=name: streams(here, name, after[name]))

    assert supervisorctl(here, "stop", "dashboard") == "dashboard: stopped\n"
    assert pids(here, code=ONE_IS_STOPPED) == {"analytics": after["analytics"]}
    assert "dashboard" in here.run("status", "--check", code=ONE_IS_STOPPED).stdout


def test_tail_follows_and_ends_with_ctrl_c(here: WatcherctlDirectory) -> None:
    command = [*SUPERVISORCTL, "tail", "-f", "dashboard"]
    with subprocess.Popen(command, cwd=here.path, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout
        assert next(line for line in iter(tail.stdout.readline, "") if '"streaming"' in line)
        tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=TIMEOUT_S)
    assert tail.returncode == 0
