"""Refusals of `watcherctl start --all` where it may not read or write, or finds nothing to start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import watcher_settings

NOBODY = "localhost:1"

AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""root without the right to read and write what its mode forbids."""


@pytest.fixture
def here() -> Iterator[WatcherctlDirectory]:
    with WatcherctlDirectory() as directory:
        directory.prefix = AS_ANYBODY
        yield directory


def write_watcher(here: WatcherctlDirectory, name: str) -> None:
    here.write_toml(name, watcher_settings(f"mongodb://{NOBODY}/x", NOBODY, f"refused-{name}"))


def refused(here: WatcherctlDirectory, code: int) -> tuple[str, str]:
    """Return message and hint on stderr: what is wrong, and what to do about it."""
    message, hint = here.run("start", "--all", code=code).stderr.splitlines()
    return message.removeprefix("watcherctl: "), hint.removeprefix("hint: ")


def test_no_watcher(here: WatcherctlDirectory) -> None:
    message, hint = refused(here, 78)
    assert message == "conf.d: holds no watcher"
    assert hint.startswith("put <name>.toml or <name>.env there; `watcherctl init` writes one to start from")
    assert not (here.path / "run").exists()


def test_no_conf_dir(here: WatcherctlDirectory) -> None:
    shutil.rmtree(here.conf_dir)
    message, hint = refused(here, 78)
    assert message == "conf.d: cannot be read: No such file or directory"
    assert "`watcherctl init` writes one to start from" in hint
    assert "--config DIR" in hint


def test_a_conf_dir_that_may_not_be_read(here: WatcherctlDirectory) -> None:
    write_watcher(here, "good")
    here.conf_dir.chmod(0)
    message, _ = refused(here, 78)
    here.conf_dir.chmod(0o700)
    assert message == "conf.d: cannot be read: Permission denied"


def test_a_file_that_may_not_be_read_keeps_no_other_from_starting(here: WatcherctlDirectory) -> None:
    for name in ("good", "locked"):
        write_watcher(here, name)
    (here.conf_dir / "locked.toml").chmod(0)
    started = here.run("start", "--all", "--wait", "0", code=78).stdout
    assert "locked  failed  conf.d/locked.toml: cannot be read: Permission denied" in started
    assert "good  started" in started
    assert "locked: conf.d/locked.toml: cannot be read: Permission denied" in here.run("status", code=3).stdout
    eventually(lambda: here.status("good").get("state") in {"opening", "waiting"})


@pytest.mark.parametrize(
    "command",
    [("status",), ("start", "--all"), ("stop", "--all"), ("console",), ("metrics",), ("health",), ("logs",), ("down",), ("apply",)],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("name", ["run", "log"])
def test_another_users_fleet(name: str, command: tuple[str, ...], here: WatcherctlDirectory) -> None:
    """Closed to us, as another user's are: they must not look as if nothing ran."""
    write_watcher(here, "good")
    for directory in ("run", "log"):
        (here.path / directory).mkdir()
    (here.path / name).chmod(0)
    message, hint = here.run(*command, code=77).stderr.splitlines()
    (here.path / name).chmod(0o700)
    assert message.startswith(f"watcherctl: {here.path / name} belongs to ")
    assert "sudo -u " in hint


@pytest.mark.parametrize("name", ["run", "log"])
def test_a_directory_that_may_not_be_written(name: str, here: WatcherctlDirectory) -> None:
    write_watcher(here, "good")
    here.run("start", "--all", "--wait", "0")
    here.run("down")
    (here.path / name).chmod(0o500)
    message, hint = refused(here, 1)
    assert message == f"cannot write to {here.path / name}"
    assert "--state-dir" in hint
    assert "cannot write to" in here.run("run", code=1).stderr


def test_a_fleet_that_runs_can_be_stopped_when_its_logs_may_no_longer_be_written(here: WatcherctlDirectory) -> None:
    write_watcher(here, "good")
    here.run("start", "--all", "--wait", "0")
    (here.path / "log").chmod(0o500)
    assert here.run("stop", "--all").returncode == 0
    assert "stopped" in here.run("down").stderr


def test_a_log_of_another_user(here: WatcherctlDirectory) -> None:
    write_watcher(here, "good")
    (here.path / "log").mkdir()
    (here.path / "log" / "supervisord.log").touch(mode=0)
    message, _ = refused(here, 1)
    assert message.startswith("supervisord did not start: ")
    assert f"Permission denied: '{here.path}/log/supervisord.log'" in message
