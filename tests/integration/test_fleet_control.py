"""A fleet under a real supervisord, with a stand-in for the worker."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support import stand_in_worker
from tests.support.stand_in_fleet import DEADLINE_SECONDS, StandIns, settings
from watcher.config.agent_settings import AgentSettings, LoadedAgent
from watcher.config.deployment import SUPERVISORD
from watcher.doctor.worker import WorkerSeen
from watcher.fleet.arrival import StartResult
from watcher.fleet.errors import NotRunning
from watcher.fleet.polling import is_alive, wait_for
from watcher.fleet.status import WatcherState
from watcher.fleet.survey import survey
from watcher.private import group_name

pytest_plugins = ["tests.support.stand_in_fixtures"]


def test_start_brings_up_supervisord_and_only_what_was_asked_for(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    assert set(fleet.supervisord.processes()) == {"a"}
    fleet.start([settings("b"), settings("a")])
    fleet.streaming("a", "b")


def test_a_group_may_read_the_logs_that_supervisord_makes_and_not_use_its_socket(fleet: StandIns) -> None:
    fleet.agent = LoadedAgent(AgentSettings(enabled=False, group=group_name(os.getegid())))
    fleet.start([settings("a")])
    fleet.streaming("a")
    here = fleet.deployment
    logs = [here.log_file(name).stat() for name in ("a", SUPERVISORD)]
    assert {(stat.S_IMODE(log.st_mode), log.st_gid) for log in logs} == {(0o640, os.getegid())}
    assert stat.S_IMODE(here.supervisord_socket.stat().st_mode) == 0o700


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
        StartResult.MISCONFIGURED, "wrong password", stand_in_worker.HINT,
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
    assert wait_for(lambda: fleet.row("a").live is not None, DEADLINE_SECONDS)  # else it has said nothing yet that could be told
    arrival = fleet.wait("a", seconds=2)["a"]
    assert arrival.result is StartResult.TIMED_OUT
    assert arrival.message == "not streaming yet: Kafka has not answered yet"
    assert arrival.hint == "watcherctl doctor a"


def test_a_killed_worker_comes_back_and_doctor_says_how_it_ended(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    seen = WorkerSeen(settings("a"), lambda: survey(fleet, ["a"]), fleet.deployment.log_file(SUPERVISORD))
    assert seen.crash == ""
    pid = fleet.pid("a")
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: fleet.pid("a") not in {0, pid}, DEADLINE_SECONDS)
    assert seen.crash == "killed by SIGKILL"


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
    assert fleet.unapplied(wanted) == {"other"}
    planned = fleet.apply(wanted, {"broken"}, dry_run=True)
    assert fleet.pid("other") == before["other"]
    assert fleet.apply(wanted, {"broken"}) == planned
    assert (planned.added, planned.changed, planned.removed, planned.unchanged) == (("new",), ("other",), ("gone",), ("same",))
    assert planned.started == ("new", "other")
    fleet.streaming(*planned.started)
    assert (fleet.pid("same"), fleet.pid("broken")) == (before["same"], before["broken"])
    assert fleet.pid("other") != before["other"]
    assert fleet.unapplied(wanted) == set()
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
    assert planned.admitted == {"a": ["orders"]}
    assert {name: [change.name for change in changes] for name, changes in planned.formats.items()} == {"b": ["topics"]}
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


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_no_secret_reaches_the_files(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    with frozen(fleet.pid("a")):  # else one of its files might be gone before it is read
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
    with frozen(fleet.pid("a")):  # else one of its files might be gone before it is looked at
        made = [path for name in ("run", "log") for path in (fleet.base / name, *(fleet.base / name).rglob("*"))]
        readable = [path for path in made if path.stat().st_mode & 0o077]
    assert {"supervisord.log", "a.log", "supervisord.pid", "a.conf"} <= {path.name for path in made}
    assert readable == []


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
    """One after the other, fifty of them would take a minute, and these half of one."""
    names = [f"w{number}" for number in range(6)]
    for name in names:
        fleet.behave(name, "drain 5")
    fleet.start([settings(name) for name in names])
    fleet.streaming(*names)
    began = time.monotonic()
    fleet.down()
    assert time.monotonic() - began < 20
