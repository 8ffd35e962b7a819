"""`watcherctl doctor`, as people run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.command_line import CommandLine, command_line
from tests.support.worker import Inbox, watcher_settings

pytest_plugins = ["tests.support.security_fixtures"]

Document = dict[str, Any]

PATIENT = ("--timeout", "40")
NOBODY = "mongodb://app:hunter2@127.0.0.1:1/shop"


@pytest.fixture
def here() -> Iterator[CommandLine]:
    """A deployment directory."""
    with command_line() as here:
        yield here


def outcomes(report: Document) -> dict[str, str]:
    """By check; of the only watcher and of the deployment."""
    return {check["check"]: check["outcome"] for check in report["checks"]}


def test_without_a_configuration(here: CommandLine) -> None:
    done = here.run("doctor", "--config", "nowhere")
    assert done.returncode == 78
    assert "nowhere: cannot be read: No such file or directory\n" in done.stdout
    assert "fix: `watcherctl init` writes one to start from" in done.stdout
    assert done.stderr == ""


def test_a_name_that_is_misspelt(here: CommandLine) -> None:
    here.configure("dashboard", watcher_settings(NOBODY, "127.0.0.1:1", "shop"))
    done = here.run("doctor", "dashbord")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no watcher is called 'dashbord'; did you mean 'dashboard'?" in done.stderr


def test_a_fault_does_not_hide_the_rest(here: CommandLine) -> None:
    here.configure("dashboard", watcher_settings(NOBODY, "127.0.0.1:1", "shop") | {"batch_sise": 5})
    report = json.loads((done := here.run("doctor", "--json")).stdout)
    assert done.returncode == 78
    assert {check["check"] for check in report["checks"] if check["outcome"] == "failed"} == {"configuration.faults"}
    assert outcomes(report)["host.python"] == "ok"


def test_both_servers_are_gone(here: CommandLine) -> None:
    here.configure("dashboard", watcher_settings(NOBODY, "127.0.0.1:1", "shop"))
    done = here.run("doctor", *PATIENT)
    assert done.returncode == 1
    assert "dashboard: MongoDB  mongodb://app:***@127.0.0.1:1/shop" in done.stdout
    assert "✗ reachable         MongoDB does not answer: 127.0.0.1:1: [Errno 111] Connection refused" in done.stdout
    assert "not checked, because kafka.reachable failed: authentication, brokers" in done.stdout
    assert "! secrets           conf.d/dashboard.toml holds a secret" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout


def test_a_fleet_that_runs_is_not_disturbed(
    here: CommandLine,
    guarded_settings: Document,
    guarded_inbox: Inbox,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
    passwords: dict[str, str],
) -> None:
    """With exactly the documented rights, under which doctor may do less than others let it."""
    users = guarded_mongo_client[prefix].users
    users.insert_one({"_id": 0})
    here.configure("dashboard", guarded_settings)
    (here.conf_dir / "dashboard.toml").chmod(0o600)
    assert here.run("start", "--all", "--wait", "60").returncode == 0
    before = here.status("dashboard")
    done = here.run("doctor", "--json", *PATIENT)
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), done.stdout
    users.insert_one({"_id": 1})
    assert [message["sequence"] for message in guarded_inbox.messages(1)] == [1]
    after = here.status("dashboard")
    assert [after[key] for key in ("pid", "reopens", "errors")] == [before[key] for key in ("pid", "reopens", "errors")]
    found = outcomes(report)
    assert {name for name, outcome in found.items() if outcome == "notChecked"} == {
        "host.agent-port", "mongodb.images", "mongodb.snapshot-filters", "mongodb.oplog",
        "kafka.transactions", "kafka.transaction-log", "kafka.position-topic", "kafka.replication", "kafka.message-size",
        "kafka.clock", "position.old-changes", "position.retention",
    }  # fmt: skip
    assert {found[name] for name in ("position.owner", "worker.state", "worker.settings", "worker.restarts")} == {"ok"}
    assert not [password for password in passwords.values() if password in done.stdout + done.stderr]
