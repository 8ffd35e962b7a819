"""A fleet under a real supervisord, with a stand-in for the worker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration import fleet_worker
from watcher.config import Deployment, Settings
from watcher.fleet.arrival import Arrival, StartResult, arrivals
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError, NotRunning
from watcher.fleet.foreground import run_fleet
from watcher.fleet.logs.lines import Line
from watcher.fleet.polling import is_alive, wait_for
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import survey

DEADLINE_SECONDS = 20


def settings(name: str, **changes: object) -> Settings:
    return Settings(
        **{
            "name": name,
            "mongodb_uri": f"mongodb://user:hunter2@localhost/{name}",
            "kafka_brokers": "localhost:9092",
            "kafka_client_id": name,
            **changes,
        }
    )


class StandIns(Fleet):
    """A fleet whose workers are stand-ins."""

    def __init__(self, base: Path) -> None:
        deployment = Deployment(base / "conf.d", base / "run", base / "log")
        super().__init__(deployment, lambda name: (sys.executable, fleet_worker.__file__, name, str(base)))
        self.base = base

    def behave(self, name: str, behaviour: str) -> None:
        (self.base / "behaviour").mkdir(exist_ok=True)
        (self.base / "behaviour" / name).write_text(behaviour)

    def wait(self, *names: str, seconds: float = DEADLINE_SECONDS) -> dict[str, Arrival]:
        return {arrival.name: arrival for arrival in arrivals(self, names, seconds, _quiet)}

    def streaming(self, *names: str) -> None:
        assert {arrival.result for arrival in self.wait(*names).values()} == {StartResult.STREAMING}

    def process(self, name: str) -> Process:
        return self.supervisord.processes()[name]

    def pid(self, name: str) -> int:
        return self.process(name).pid

    def row(self, name: str) -> Row:
        return survey(self, [name]).rows[0]


def _quiet(_rows: list[Row]) -> None:
    pass


@pytest.fixture
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def fleet(base: Path) -> Iterator[StandIns]:
    fleet = StandIns(base)
    yield fleet
    fleet.down()


def test_start_brings_up_supervisord_and_only_what_was_asked_for(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    assert set(fleet.supervisord.processes()) == {"a"}
    fleet.start([settings("b"), settings("a")])
    fleet.streaming("a", "b")


def test_start_leaves_running_workers_alone(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    pid = fleet.pid("a")
    fleet.start([settings("a", batch_size=7)])
    assert fleet.pid("a") == pid


def test_two_starts_at_once_make_one_supervisord(fleet: StandIns) -> None:
    threads = [threading.Thread(target=fleet.start, args=([settings(name)],)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fleet.streaming("a", "b")


def test_a_configuration_error_is_not_restarted_and_is_told(fleet: StandIns) -> None:
    fleet.behave("a", "exit 78")
    fleet.behave("c", "exit 77")
    fleet.start([settings("a"), settings("b"), settings("c")])
    arrived = fleet.wait("a", "b", "c")
    assert (arrived["b"].result, arrived["c"].result) == (StartResult.STREAMING, StartResult.FAILED)
    assert (arrived["a"].result, arrived["a"].message, arrived["a"].hint) == (
        StartResult.MISCONFIGURED, "wrong password", fleet_worker.HINT,
    )  # fmt: skip
    assert (fleet.process("a").state, fleet.process("a").exit_status) == ("EXITED", 78)
    assert fleet.row("a").state is WatcherState.FAILED


def test_a_bug_is_restarted_until_one_gives_up_waiting(fleet: StandIns) -> None:
    fleet.behave("a", "silent 1")
    fleet.start([settings("a")])
    arrived = fleet.wait("a")["a"]
    assert arrived.result is StartResult.FAILED
    assert "watcherctl logs a" in arrived.hint
    fleet.behave("a", "stream")
    assert wait_for(lambda: fleet.row("a").state is WatcherState.STREAMING, DEADLINE_SECONDS)


def test_an_old_error_is_not_taken_for_a_new_one(fleet: StandIns) -> None:
    fleet.behave("a", "exit 77")
    fleet.start([settings("a")])
    assert fleet.wait("a")["a"].result is StartResult.FAILED
    fleet.behave("a", "stream")
    fleet.start([settings("a")])
    fleet.streaming("a")


def test_waiting_ends_in_time(fleet: StandIns) -> None:
    fleet.behave("a", "open")
    fleet.start([settings("a")])
    assert fleet.wait("a", seconds=1)["a"].result is StartResult.TIMED_OUT


def test_a_killed_worker_comes_back(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    pid = fleet.pid("a")
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: fleet.pid("a") not in {0, pid}, DEADLINE_SECONDS)


def test_stop_leaves_supervisord_and_the_others(fleet: StandIns) -> None:
    fleet.start([settings("a"), settings("b")])
    fleet.streaming("a", "b")
    fleet.stop(["a"])
    assert fleet.process("a").state == "STOPPED"
    assert fleet.row("b").state is WatcherState.STREAMING
    fleet.stop(["b"])
    assert fleet.supervisord.is_running()


def test_restart_takes_a_new_process(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    pid = fleet.pid("a")
    fleet.restart([settings("a")])
    fleet.streaming("a")
    assert fleet.pid("a") != pid


def test_apply_restarts_only_what_changed(fleet: StandIns) -> None:
    fleet.start([settings("same"), settings("other"), settings("gone"), settings("broken")])
    fleet.streaming("same", "other", "gone", "broken")
    before = {name: fleet.pid(name) for name in ("same", "other", "gone", "broken")}
    wanted = [settings("same"), settings("other", batch_size=7), settings("new")]
    planned = fleet.apply(wanted, {"broken"}, dry_run=True)
    assert fleet.pid("other") == before["other"]
    assert fleet.apply(wanted, {"broken"}) == planned
    assert (planned.added, planned.changed, planned.removed, planned.unchanged) == (("new",), ("other",), ("gone",), ("same",))
    assert planned.started == ("new", "other")
    fleet.streaming(*planned.started)
    assert (fleet.pid("same"), fleet.pid("broken")) == (before["same"], before["broken"])
    assert fleet.pid("other") != before["other"]
    assert "gone" not in fleet.supervisord.processes()
    assert not is_alive(before["gone"])
    assert fleet.apply(wanted, {"broken"}).unchanged == ("new", "other", "same")


def test_apply_knows_which_collections_are_newly_watched_and_what_is_written_in_another_way(fleet: StandIns) -> None:
    fleet.start([settings("a", watch_collections="users"), settings("b", watch_collections="users")])
    fleet.streaming("a", "b")
    wanted = [
        settings("a", watch_collections="users,orders"),
        settings("b", watch_collections="users", kafka_topic_control="another"),
    ]
    planned = fleet.apply(wanted, dry_run=True)
    assert (planned.admitted, planned.formats) == ({"a": ["orders"]}, {"b": ["topics"]})
    assert fleet.apply(wanted) == planned
    fleet.streaming("a", "b")
    again = fleet.apply(wanted)
    assert (again.admitted, again.formats) == ({}, {})


def test_apply_leaves_stopped_what_was_stopped_and_start_takes_the_new_settings(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    fleet.stop(["a"])
    changes = fleet.apply([settings("a", batch_size=7)])
    assert (changes.changed, changes.started) == (("a",), ())
    assert fleet.process("a").state == "STOPPED"
    fleet.start([settings("a", batch_size=7)])
    fleet.streaming("a")
    assert fleet.apply([settings("a", batch_size=7)]).unchanged == ("a",)


def test_apply_needs_a_supervisord(fleet: StandIns) -> None:
    with pytest.raises(NotRunning):
        fleet.apply([settings("a")])


def test_disabled_watchers_start_only_by_name(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    pid = fleet.pid("a")
    fleet.disable(["a", "b"])
    assert fleet.apply([settings("a"), settings("b")]).unchanged == ("a",)
    assert fleet.pid("a") == pid
    assert fleet.row("b").state is WatcherState.DISABLED
    fleet.start([settings("b")])
    fleet.streaming("b")
    fleet.enable(["b"])
    assert fleet.row("b").enabled


def test_no_secret_reaches_the_files(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    texts = [path.read_text(errors="replace") for path in fleet.base.rglob("*") if path.is_file()]
    assert not [text for text in texts if "hunter2" in text]
    assert (fleet.base / "run" / "supervisor.sock").stat().st_mode & 0o777 == 0o700


def test_what_runs_makes_nothing_that_others_can_read(fleet: StandIns) -> None:
    """supervisord's files too, whatever the umask of whoever starts it."""
    before = os.umask(0)
    try:
        fleet.start([settings("a")])
    finally:
        os.umask(before)
    fleet.streaming("a")
    made = [path for name in ("run", "log") for path in (fleet.base / name, *(fleet.base / name).rglob("*"))]
    assert {"supervisord.log", "a.log", "supervisord.pid", "a.conf"} <= {path.name for path in made}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_supervisorctl_works_from_anywhere(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    pid = fleet.pid("a")
    assert "RUNNING" in supervisorctl(fleet, "status")
    assert "a: started" in supervisorctl(fleet, "restart", "a")
    assert fleet.pid("a") != pid
    assert "a started as" in supervisorctl(fleet, "tail", "a")
    assert supervisorctl(fleet, "update") == ""


def supervisorctl(fleet: StandIns, *arguments: str) -> str:
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(fleet.base / "run" / "supervisord.conf"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=DEADLINE_SECONDS).stdout


def test_down_leaves_no_process(fleet: StandIns) -> None:
    fleet.start([settings("a"), settings("b")])
    fleet.streaming("a", "b")
    pids = [fleet.supervisord.pid(), fleet.pid("a"), fleet.pid("b")]
    assert fleet.down()
    assert not any(map(is_alive, pids))
    assert not fleet.down()


def test_down_stops_all_workers_at_the_same_time(fleet: StandIns) -> None:
    """One after the other, fifty of them would take a minute."""
    names = [f"w{number}" for number in range(6)]
    for name in names:
        fleet.behave(name, "drain 2")
    fleet.start([settings(name) for name in names])
    fleet.streaming(*names)
    began = time.monotonic()
    fleet.down()
    assert time.monotonic() - began < 8


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


def test_a_socket_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="limit") as caught:
        StandIns(tmp_path / ("x" * 100)).start([settings("a")])
    assert "--state-dir" in caught.value.hint


@pytest.mark.parametrize("name", ["100%", "a*b", "a[b]"])
def test_directories_that_supervisord_cannot_work_in_are_refused(name: str, base: Path) -> None:
    with pytest.raises(FleetError, match="cannot work in a directory"):
        StandIns(base / name).start([settings("a")])


@pytest.mark.parametrize("name", ["with space", "über", "quote'd", "a;b"])
def test_other_directories_work(name: str, base: Path) -> None:
    fleet = StandIns(base / name)
    try:
        fleet.start([settings("a")])
        fleet.streaming("a")
    finally:
        fleet.down()


def test_a_base_that_supervisord_refuses_is_told(base: Path) -> None:
    (base / "supervisor").mkdir()
    (base / "supervisor" / "supervisord.conf").write_text("[supervisord]\nlogfile_maxbytes=many\n")
    with pytest.raises(FleetError, match=r"did not start: Error: .*many"):
        StandIns(base).start([settings("a")])


def test_foreground_passes_logs_on_and_ends_with_sigterm(fleet: StandIns) -> None:
    lines: list[Line] = []

    def end_after_first_line(line: Line) -> None:
        lines.append(line)
        os.kill(os.getpid(), signal.SIGTERM)

    assert run_fleet(fleet, [settings("a")], end_after_first_line) == 0
    assert "a started as" in lines[0].text
    assert not fleet.supervisord.is_running()


def test_foreground_says_what_supervisord_could_not_start(fleet: StandIns) -> None:
    """A log of another user's keeps a worker from starting; a directory in its place stops root as well. The others run."""
    (fleet.base / "log" / "b.log").mkdir(parents=True)
    lines: dict[str, Line] = {}

    def end_after_a_line_of_each(line: Line) -> None:
        lines.setdefault(line.watcher, line)
        if lines.keys() == {"a", "b"}:
            os.kill(os.getpid(), signal.SIGTERM)

    give_up = threading.Timer(DEADLINE_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    give_up.start()
    assert run_fleet(fleet, [settings("a"), settings("b")], end_after_a_line_of_each) == 0
    give_up.cancel()
    assert "a started as" in lines["a"].text
    assert json.loads(lines["b"].text)["level"] == "error"
    assert "b could not be started" in lines["b"].text
    assert "EISDIR" in lines["b"].text
