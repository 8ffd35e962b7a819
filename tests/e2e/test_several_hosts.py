"""The steps of docs/high-availability.md as typed: a fleet gets a second host, is upgraded host by host, and moves there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import Inbox
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

NAME = "dashboard"
STEP_TIMEOUT_S = 60.0


@pytest.fixture
def hosts() -> Iterator[tuple[WatcherctlDirectory, WatcherctlDirectory]]:
    """Two deployment directories, as on two hosts."""
    with WatcherctlDirectory() as old, WatcherctlDirectory() as new:
        yield old, new


def reached(host: WatcherctlDirectory, state: str) -> None:
    """`watcherctl status` there says so."""

    def look() -> bool:
        [watcher] = json.loads(host.run("status", "--json", code=0).stdout)["watchers"]
        return bool(watcher["state"] == state)

    eventually(lambda: host.status(NAME).get("state") == state, STEP_TIMEOUT_S)
    assert look()


def copy_conf_d(old: WatcherctlDirectory, new: WatcherctlDirectory) -> None:
    shutil.copytree(old.conf_dir, new.conf_dir, dirs_exist_ok=True)


@pytest.mark.timeout(240)
def test_a_second_host_an_upgrade_and_a_move(
    hosts: tuple[WatcherctlDirectory, WatcherctlDirectory],
    settings: dict[str, Any],
    db: Database[dict[str, Any]],
    inbox: Inbox,
    apache: ApacheKafka,
) -> None:
    del apache  # the lease needs a broker with consumer groups
    old, new = hosts
    oracle = Oracle(db)
    old.write_toml(NAME, settings)
    old.run("start", "--all")
    with Load(oracle, pause_s=0.02):
        inbox.records(20)

        # A lease for a fleet that runs, and a second host for it.
        (old.conf_dir / "defaults.toml").write_text("high_availability = true\n")
        old.run("apply", "--wait", "60")
        copy_conf_d(old, new)
        checked = {found["check"]: found for found in json.loads(new.run("doctor", "--json").stdout)["checks"]}
        assert checked["kafka.lease"]["outcome"] == "ok"
        assert checked["position.owner"]["found"].startswith(f"process {old.status(NAME)['pid']} on ")
        assert checked["position.same-settings"]["found"].startswith("the same as on ")
        assert checked["position.active-clock"]["outcome"] == "ok"
        new.run("start", "--all")
        reached(new, "standby")

        # An upgrade, host by host: first the one that stands by.
        new.run("down")
        new.run("start", "--all")
        reached(new, "standby")
        assert old.status(NAME)["state"] == "streaming"
        old.run("down")
        reached(new, "streaming")
        inbox.records(oracle.certain_writes)
        old.run("start", "--all")
        reached(old, "standby")
        shown = eventually(lambda: "active on" in (told := old.run("status").stdout) and told, STEP_TIMEOUT_S)
        assert f"standby (active on {new.status(NAME)['host']} since " in str(shown)
        assert old.run("health").stdout == "ok: 0 watchers stream, on standby: 1\n"

        # And the old host goes for good.
        old.run("down")
        assert new.run("health").stdout == "ok: 1 watcher streams\n"
        inbox.records(oracle.certain_writes + 20)
    oracle.check(inbox.records(oracle.certain_writes))
