"""Privacy of run/ and log/: all is for its owner alone, also where an older version has left it open."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.file_modes import mode
from watcher import private
from watcher.agent.address import published
from watcher.config import Deployment
from watcher.fleet.changes.digest import load_or_make_key
from watcher.fleet.errors import FleetError
from watcher.fleet.files import DisabledMarks, ProgramFiles
from watcher.fleet.launch import prepare
from watcher.fleet.lock import fleet_lock
from watcher.private import make_directory, replace_file
from watcher.worker.process import beside_worker, only_one

pytestmark = pytest.mark.usefixtures("careless_umask")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir()
    return directory


def lock(path: Path) -> None:
    with only_one(path, threading.Event()):
        pass


def lock_for_a_command(path: Path) -> None:
    with beside_worker(path):
        pass


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.lock": lock,
    "b.lock": lock_for_a_command,
    "a.json": lambda path: replace_file(path, b"{}"),
    ".key": load_or_make_key,
    ".lock": lambda path: fleet_lock(path).__enter__(),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_for_its_owner_alone(name: str, run_dir: Path) -> None:
    WRITERS[name](run_dir / name)
    assert mode(run_dir / name) == 0o600


@pytest.mark.parametrize("name", WRITERS)
def test_one_that_was_open_is_closed(name: str, run_dir: Path) -> None:
    (run_dir / name).write_bytes(b"")
    (run_dir / name).chmod(0o666)
    WRITERS[name](run_dir / name)
    assert mode(run_dir / name) == 0o600


@pytest.mark.parametrize(("name", "link"), [(".key", ".key"), (".lock", ".lock"), ("a.json", "a.json.{pid}.new")])
def test_no_symbolic_link_is_followed(name: str, link: str, run_dir: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run_dir / link.format(pid=os.getpid())).symlink_to(victim)
    with pytest.raises((OSError, FleetError)):
        WRITERS[name](run_dir / name)
    assert victim.read_text() == "precious"


def test_a_lock_file_that_is_a_symbolic_link_is_no_lock_file(
    run_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker goes on: Kafka's fencing holds. What the link leads to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run_dir / "a.lock").symlink_to(victim)
    lock(run_dir / "a.lock")
    assert "no lock file" in caplog.text
    assert victim.read_text() == "precious"


def test_directories_are_closed_and_nothing_else_of_their_mode_changes(tmp_path: Path) -> None:
    for before, after in ((0o755, 0o700), (0o777, 0o700), (0o500, 0o500), (0o550, 0o500)):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d").chmod(before)
        make_directory(tmp_path / "d")
        assert mode(tmp_path / "d") == after
    make_directory(tmp_path / "new" / "run")
    assert (mode(tmp_path / "new"), mode(tmp_path / "new" / "run")) == (0o777, 0o700)


def test_starting_closes_what_an_older_version_left_open(tmp_path: Path) -> None:
    here = Deployment.locate(tmp_path / "conf.d")
    for directory in (here.run_dir, here.log_dir, here.run_dir / "programs", here.run_dir / "disabled"):
        directory.mkdir(mode=0o755)
    prepare(here)
    ProgramFiles(here.programs_dir).write({"a": "x"})
    DisabledMarks(here.disabled_dir).add("a")
    with published(here.address_file, "http://localhost/"):
        found = [path for path in (here.run_dir, here.log_dir, *here.run_dir.rglob("*")) if mode(path) & 0o077]
    assert found == []


@pytest.mark.parametrize(
    "name", [".key", ".lock", "a.lock", "supervisord.conf", "agent.json", "supervisord.log", "agent.log", "known.log"]
)
def test_a_directory_of_our_files_is_closed(name: str, tmp_path: Path) -> None:
    for file in (name, "other.json", "other.prom", "other.log.1", "other.json.7.new"):
        (tmp_path / "d" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "d" / file).touch()
    make_directory(tmp_path / "d", known={"known.log"})
    assert mode(tmp_path / "d") == 0o700


def _with_a_stranger(directory: Path) -> None:
    (directory / ".lock").touch()
    (directory / "crond.pid").touch()


def _of_another_program(directory: Path) -> None:
    (directory / "app.log").touch()
    (directory / "data.json").touch()


def _sticky(directory: Path) -> None:
    directory.chmod(0o1777)


def _of_the_system(directory: Path) -> None:
    private.SYSTEM_DIRECTORIES += (directory,)


def _with_a_file_of_another_user(directory: Path) -> None:
    (directory / ".lock").touch()
    os.chown(directory / ".lock", 65534, 65534)


NOT_OURS = [_with_a_stranger, _of_another_program, _sticky, _of_the_system]


@pytest.mark.parametrize("change", [*NOT_OURS, *([_with_a_file_of_another_user] if os.geteuid() == 0 else [])])
def test_a_directory_that_may_be_anothers_is_left_as_it_is(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state directory /var makes run/ the system's own, and so does a conf.d at the root of a container."""
    monkeypatch.setattr(private, "SYSTEM_DIRECTORIES", private.SYSTEM_DIRECTORIES)
    (tmp_path / "d").mkdir()
    change(tmp_path / "d")
    before = mode(tmp_path / "d")
    assert before & 0o077
    make_directory(tmp_path / "d")
    assert mode(tmp_path / "d") == before


def test_the_systems_directories_are_known_by_any_path(tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to("/var")
    assert not private.is_ours(tmp_path / "var" / "log")
    assert not private.is_ours(Path("/run"))
    assert not private.is_ours(Path("/tmp"))


def test_a_run_directory_that_is_a_symbolic_link_is_used_as_it_is(tmp_path: Path) -> None:
    here = Deployment.locate(tmp_path / "conf.d")
    (tmp_path / "elsewhere").mkdir()
    here.run_dir.symlink_to("elsewhere")
    prepare(here)
    assert mode(tmp_path / "elsewhere") == 0o777
    assert (tmp_path / "elsewhere" / "supervisord.conf").is_file()


def test_another_users_directory_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    make_directory(tmp_path)
    assert mode(tmp_path) == 0o777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_cannot_hold_the_lock() -> None:
    """An open file is enough for flock(2), also one that is open for reading alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        run_dir, path = Path(name), Path(name) / "a.lock"
        run_dir.chmod(0o755)
        path.touch(0o644)
        assert is_held_by_nobody(path)
        lock(path)
        assert not is_held_by_nobody(path)
        path.chmod(0o644)
        make_directory(run_dir)
        assert not is_held_by_nobody(path)


def is_held_by_nobody(path: Path) -> bool:
    """Return True if the user nobody can take the lock."""
    done = subprocess.run(["flock", "--nonblock", str(path), "true"], user=65534, group=65534, capture_output=True, check=False)
    return done.returncode == 0
