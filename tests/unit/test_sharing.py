"""A group that may read a fleet's status and logs: what is opened to it and what stays closed, and what its members are told."""

from __future__ import annotations

import errno
import grp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.support.file_modes import mode
from tests.support.status_reports import written
from watcher.agent.address import published
from watcher.config import Deployment
from watcher.config.agent_settings import AgentSettings, LoadedAgent
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.files import DisabledMarks
from watcher.fleet.launch import command, prepare
from watcher.fleet.lock import fleet_lock
from watcher.fleet.sharing import is_open_to_us, share
from watcher.private import make_directory, readable_mode, replace_file

OURS = grp.getgrgid(os.getegid()).gr_name
NOBODY = 65534
"""The user and group ids of `nobody`."""
MEMBER = 65533
"""The id of a user without a name."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


pytestmark = pytest.mark.usefixtures("careless_umask")


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    return deployment(tmp_path)


def deployment(base: Path) -> Deployment:
    """A deployment that has run, and is closed to all others."""
    here = Deployment(base / "conf.d", base / "run", base / "log")
    here.conf_dir.mkdir(mode=0o700)
    (here.conf_dir / "a.toml").touch()
    prepare(here)
    DisabledMarks(here.disabled_dir).add("b")
    for path in (here.status_file("a"), here.metrics_file("a"), here.lock_file("a"), here.key_file, here.log_file("a")):
        replace_file(path, b"")
    replace_file(here.log_dir / "a.log.1", b"")
    return here


def test_what_is_to_be_read_is_opened_and_the_rest_stays_closed(here: Deployment) -> None:
    share(here, OURS)
    assert {mode(path) for path in (here.run_dir, here.log_dir, here.disabled_dir)} == {0o2750}
    opened = (here.status_file("a"), here.metrics_file("a"), here.log_file("a"), here.log_dir / "a.log.1")
    assert {mode(path) for path in opened} == {0o640}
    assert {mode(path) for path in (here.lock_file("a"), here.key_file)} == {0o600}
    assert "--umask=027" in command(here)


def test_what_is_written_later_is_open_or_closed_in_the_same_way(here: Deployment) -> None:
    share(here, OURS)
    replace_file(here.status_file("a"), written().content(), readable_mode(here.run_dir))
    with published(here.address_file, "http://localhost:1/"), fleet_lock(here.fleet_lock_file):
        assert [mode(path) for path in (here.status_file("a"), here.address_file)] == [0o640, 0o640]
        assert mode(here.fleet_lock_file) == 0o600
    shutil.rmtree(here.disabled_dir)
    DisabledMarks(here.disabled_dir).add("a")
    assert mode(here.disabled_dir) == 0o2750


def test_a_start_leaves_it_shared_and_the_setting_taken_away_closes_it(here: Deployment) -> None:
    share(here, OURS)
    prepare(here)
    make_directory(here.run_dir)
    assert mode(here.run_dir) == 0o2750
    share(here, None)
    assert {mode(path) for path in (here.run_dir, here.log_dir, here.disabled_dir)} == {0o700}
    assert mode(here.status_file("a")) == 0o600
    assert "--umask=077" in command(here)


def test_a_directory_that_others_use_is_not_shared(here: Deployment) -> None:
    """A state directory /var makes log/ that of all programs."""
    here.log_dir.chmod(0o755)
    for name in ("nginx.log", "a.log", "readme.txt"):
        (here.log_dir / name).touch()
        (here.log_dir / name).chmod(0o644)
    with pytest.raises(FleetError, match=f"{here.log_dir} is not given to the group '{OURS}', for it may hold files of other"):
        share(here, OURS)
    assert mode(here.log_dir) == 0o755
    assert {mode(here.log_dir / name) for name in ("nginx.log", "a.log", "readme.txt")} == {0o644}
    assert mode(here.run_dir) == 0o2750


def test_a_directory_that_others_use_by_now_is_not_closed(here: Deployment) -> None:
    share(here, OURS)
    (here.run_dir / "crond.pid").touch()
    with pytest.raises(FleetError, match=f"{here.run_dir} stays open to the group '{OURS}', for it may hold files of other"):
        share(here, None)
    assert [mode(path) for path in (here.run_dir, here.status_file("a"), here.log_dir)] == [0o2750, 0o640, 0o700]


def test_logs_on_another_disk_are_shared_there(here: Deployment) -> None:
    elsewhere = here.log_dir.rename(here.log_dir.with_name("elsewhere"))
    here.log_dir.symlink_to(elsewhere)
    share(here, OURS)
    assert [mode(path) for path in (elsewhere, here.log_file("a"), here.run_dir)] == [0o2750, 0o640, 0o2750]
    share(here, None)
    assert [mode(path) for path in (elsewhere, here.log_file("a"), here.run_dir)] == [0o700, 0o600, 0o700]


@pytest.mark.parametrize(("number", "hint"), [(errno.EINVAL, "choose a group"), (errno.EPERM, f"usermod -aG {OURS}")])
def test_a_group_that_the_system_refuses_stops_nothing(
    number: int, hint: str, here: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EINVAL is the answer for a group that a container does not map. The directory is named, and the other one shared."""

    def refuse(descriptor: int, owner: int, group: int) -> None:
        if os.path.samestat(os.fstat(descriptor), here.log_dir.stat()):
            raise OSError(number, os.strerror(number))
        os.chown(descriptor, owner, group)

    monkeypatch.setattr(os, "fchown", refuse)
    fleet = Fleet(here, agent=LoadedAgent(AgentSettings(group=OURS)))
    fleet.prepare([])
    assert f"{here.log_dir} cannot be given to the group '{OURS}': {os.strerror(number)}" in str(fleet.not_shared)
    assert fleet.not_shared is not None
    assert hint in fleet.not_shared.hint
    assert [mode(path) for path in (here.run_dir, here.log_dir)] == [0o2750, 0o700]


def test_a_group_that_cannot_be_shut_out_is_told_by_the_directory(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    share(here, OURS)
    monkeypatch.setattr(os, "fchmod", Mock(side_effect=PermissionError(errno.EPERM, "Operation not permitted")))
    with pytest.raises(FleetError, match=f"^{here.run_dir} cannot be closed to its group: Operation not permitted$"):
        share(here, None)


def test_a_disk_that_cannot_be_written_to_is_told_as_such(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchown", Mock(side_effect=OSError(errno.EROFS, "Read-only file system")))
    fleet = Fleet(here, agent=LoadedAgent(AgentSettings(group=OURS)))
    with pytest.raises(FleetError, match=f"^cannot write to {here.run_dir}: Read-only file system$"):
        fleet.prepare([])


def test_a_place_that_is_shared_itself_does_not_share_run(tmp_path: Path) -> None:
    tmp_path.chmod(0o2750)
    here = Deployment(tmp_path / "conf.d", tmp_path / "run", tmp_path / "log")
    prepare(here)
    make_directory(here.run_dir)
    assert mode(here.run_dir) & 0o777 == 0o700
    assert readable_mode(here.run_dir) == 0o600


def test_a_group_that_there_is_not(here: Deployment) -> None:
    with pytest.raises(FleetError, match="there is no group 'nobodys-own' on this host"):
        share(here, "nobodys-own")
    fleet = Fleet(here, agent=LoadedAgent(AgentSettings(group="nobodys-own")))
    fleet.prepare([])  # the watchers start all the same
    assert "no group" in str(fleet.not_shared)


def test_nothing_is_changed_while_the_settings_have_a_fault(here: Deployment) -> None:
    share(here, OURS)
    Fleet(here, agent=LoadedAgent()).prepare([])
    assert mode(here.run_dir) == 0o2750


def test_only_what_carries_changes_out_shares(here: Deployment) -> None:
    fleet = Fleet(here, agent=LoadedAgent(AgentSettings(group=OURS)))
    fleet.supervisord = Mock(**{"processes.return_value": {}})
    fleet.apply([], dry_run=True)
    fleet.disable(["a"])
    fleet.stop(["a"])
    assert mode(here.run_dir) == 0o700
    fleet.apply([])
    assert mode(here.run_dir) == 0o2750


def test_the_owner_is_no_stranger_on_a_read_only_disk(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    share(here, OURS)
    monkeypatch.setattr(os, "access", lambda _, wanted, **__: not wanted & os.W_OK)
    assert not is_open_to_us(here)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not is_open_to_us(here)
    monkeypatch.setattr(os, "geteuid", lambda: here.run_dir.stat().st_uid + 1)
    assert is_open_to_us(here)


AS_MEMBER = f"""
import importlib, os, pkgutil, sys
import watcher.agent, watcher.cli, watcher.fleet, watcher.status
for package in (watcher.agent, watcher.cli, watcher.fleet, watcher.status):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
os.setgroups([])
os.setregid({os.getegid()}, {os.getegid()})
os.setreuid({MEMBER}, {MEMBER})
sys.exit(watcher.cli.run_command_line(sys.argv[1:]))
"""
"""Runs watcherctl as a member of the group OURS who is neither the fleet's user nor root. All is imported before, since other users
may not be let into the directory of this checkout."""


def command_line(here: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run watcherctl as MEMBER."""
    words = [sys.executable, "-c", AS_MEMBER, *arguments, "--config", str(here.conf_dir)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def anothers() -> Iterator[Callable[[str], Deployment]]:
    """`anothers(group)`: the deployment as that of the user `nobody`, who lets a group read, with a stopped watcher and its log."""

    def give(group: str) -> Deployment:
        here = deployment(base)
        replace_file(here.status_file("a"), written(state="stopped", pid=2**22 + 1).content())
        here.log_file("a").write_text('{"time": "2024-01-01T12:00:00.000Z", "level": "info", "event": "it streams"}\n')
        share(here, group)
        for path in (here.conf_dir, here.run_dir, here.log_dir):
            for each in (path, *path.rglob("*")):
                shared = mode(each)
                os.chown(each, NOBODY, -1)
                each.chmod(shared)  # a change of the owner takes setgid away
        return here

    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # others may not enter pytest's own
        base = Path(name)
        base.chmod(0o755)
        yield give


@as_root
def test_members_may_look_and_change_nothing(anothers: Callable[[str], Deployment]) -> None:
    here = anothers(OURS)
    told = command_line(here, "status", "--json")
    assert [(each["name"], each["state"]) for each in json.loads(told.stdout)["watchers"]] == [("a", "stopped")], told.stderr
    assert "it streams" in command_line(here, "logs", "a").stdout
    assert "watcher_" in command_line(here, "metrics").stdout
    assert "a stopped: it was stopped" in command_line(here, "health").stdout
    for arguments in (["stop", "a"], ["disable", "a"], ["down"], ["start", "a"]):
        refused = command_line(here, *arguments)
        assert refused.returncode == 77, refused
        assert f"belongs to nobody, and you are {MEMBER}: only nobody may start, stop and change this fleet" in refused.stderr
        assert "group in conf.d/agent.toml" in refused.stderr


@as_root
def test_others_are_told_whose_fleet_it_is(anothers: Callable[[str], Deployment]) -> None:
    refused = command_line(anothers(grp.getgrgid(NOBODY).gr_name), "status")
    assert refused.returncode == 77
    assert f"belongs to nobody, and you are {MEMBER}: only nobody may start" in refused.stderr
    assert "hint: sudo -u nobody watcherctl …; to let a group read status and logs" in refused.stderr


@as_root
def test_others_are_told_whose_fleet_it_is_that_they_cannot_even_see(anothers: Callable[[str], Deployment]) -> None:
    here = anothers(OURS)
    here.conf_dir.chmod(0o755)
    state_dir = here.conf_dir.with_name("state")
    state_dir.mkdir(mode=0o700)
    os.chown(state_dir, NOBODY, NOBODY)
    for path in (here.run_dir, here.log_dir):
        path.rename(state_dir / path.name)
    refused = command_line(here, "status", "--state-dir", str(state_dir))
    assert refused.returncode == 77, refused
    assert f"{state_dir / 'run' / 'supervisor.sock'} belongs to nobody, and you are {MEMBER}" in refused.stderr
