"""Leftovers of supervisord, and its losses: a socket, a directory, a process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.stand_in_fleet import DEADLINE_SECONDS, StandIns, settings
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.polling import is_alive, wait_for
from watcher.fleet.survey import survey

pytest_plugins = ["tests.support.stand_in_fixtures"]


def test_a_supervisord_without_socket_is_not_doubled_and_can_be_ended(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    pid = fleet.supervisord.pid()
    (fleet.base / "run" / "supervisor.sock").unlink()
    with pytest.raises(FleetError, match="its socket is gone"):
        fleet.start([settings("a")])
    assert fleet.down()
    assert not is_alive(pid)


def test_a_supervisord_whose_run_directory_was_moved_is_not_doubled_and_can_be_ended(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    supervisord, worker = fleet.supervisord.pid(), fleet.pid("a")
    (fleet.base / "run").rename(fleet.base / "away")
    with pytest.raises(FleetError, match=f"runs as process {supervisord}, but its socket is gone"):
        fleet.start([settings("a")])
    assert survey(fleet, ["a"]).lost_pid == supervisord
    assert fleet.down()
    assert not is_alive(supervisord)
    assert not is_alive(worker)
    assert not (fleet.base / "run").exists()


OPERATIONS: dict[str, Callable[[Fleet], object]] = {
    "start": lambda fleet: fleet.start([settings("a")]),
    "prepare": lambda fleet: fleet.prepare([settings("a")]),
    "restart": lambda fleet: fleet.restart([settings("a")]),
    "apply": lambda fleet: fleet.apply([settings("a")]),
    "stop": lambda fleet: fleet.stop(["a"]),
    "disable": lambda fleet: fleet.disable(["a"]),
    "enable": lambda fleet: fleet.enable(["b"]),
}


def test_a_run_directory_that_was_moved_can_be_put_back(fleet: StandIns) -> None:
    """None is made in its place: `mv run.bak run` would lead into that. The marks of disabled watchers are still in it."""
    fleet.disable(["b"])
    fleet.start([settings("a")])
    fleet.streaming("a")
    (fleet.base / "run").rename(fleet.base / "run.bak")
    for operation in OPERATIONS.values():
        with pytest.raises(FleetError, match="its socket is gone") as refused:
            operation(fleet)
        assert refused.value.hint.startswith("put run/ back")
        assert "disabled" in refused.value.hint
        assert not (fleet.base / "run").exists()
    (fleet.base / "run.bak").rename(fleet.base / "run")
    fleet.start([settings("a")])
    fleet.streaming("a")
    assert "b" in fleet.disabled


def test_a_refused_start_changes_no_program(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    (fleet.base / "run" / "supervisor.sock").unlink()
    with pytest.raises(FleetError, match="its socket is gone"):
        fleet.start([settings("b")])
    assert [path.name for path in (fleet.base / "run" / "programs").iterdir()] == ["a.conf"]


def test_a_stale_pid_file_ends_no_other_process(fleet: StandIns) -> None:
    """Whatever has the configuration's path in its command line, and the id that supervisord had before."""
    fleet.start([settings("a")])
    fleet.down()
    config = fleet.base / "run" / "supervisord.conf"
    with subprocess.Popen(["tail", "-f", str(config)], stdout=subprocess.DEVNULL) as other:
        try:
            (fleet.base / "run" / "supervisord.pid").write_text(f"{other.pid}\n")
            assert not fleet.down()
            fleet.start([settings("a")])
            fleet.streaming("a")
            assert other.poll() is None
        finally:
            other.kill()


def test_leftovers_of_a_killed_supervisord_do_not_hinder(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    supervisord, worker = fleet.supervisord.pid(), fleet.pid("a")
    os.kill(supervisord, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    assert wait_for(lambda: not is_alive(supervisord), DEADLINE_SECONDS)
    fleet.start([settings("a")])
    fleet.streaming("a")


def test_a_supervisord_that_does_not_answer_is_an_error(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.fleet.supervisord.ANSWER_SECONDS", 0.3)
    (base / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / "run" / "supervisor.sock"))
        listener.listen()
        with pytest.raises(FleetError, match="did not answer"):
            StandIns(base).supervisord.pid()
