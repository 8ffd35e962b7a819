"""A watcher's state from what supervisord and the status file say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.status_reports import report_of
from watcher.config import Deployment
from watcher.fleet.control import Fleet
from watcher.fleet.polling import is_still
from watcher.fleet.status import AS_IT_SHOULD_BE, HUNG_AFTER, WatcherState, row
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Supervised, look
from watcher.pids import birth_of
from watcher.status.report import StatusReport

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
START = NOW - timedelta(minutes=5)
INIT = 1
NO_PID = 2**22 + 1
"""Beyond the kernel's highest (pid_max in proc(5))."""


def process(state: str = "RUNNING", **changes: Any) -> Process:
    values = {"pid": 7 if state in {"RUNNING", "STARTING", "STOPPING"} else 0, "started_at": int(START.timestamp())}
    return Process("dashboard", state, **{**values, **changes})


def report(state: str = "streaming", **changes: Any) -> StatusReport:
    values = {"pid": 7, "state": state, "startedAt": START, "updatedAt": NOW}
    return report_of({**values, **changes})


def state(supervised: Process | None, written: StatusReport | None, **options: Any) -> WatcherState:
    return row("dashboard", supervised, written, now=NOW, **options).state


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("streaming", WatcherState.STREAMING),
        ("standby", WatcherState.STANDBY),
        ("opening", WatcherState.OPENING),
        ("waiting", WatcherState.WAITING),
        ("backing_off", WatcherState.BACKING_OFF),
        ("stopping", WatcherState.STOPPING),
        ("something new", WatcherState.UNKNOWN),
    ],
)
def test_a_running_worker_is_what_it_says(written: str, expected: WatcherState) -> None:
    assert state(process(), report(written)) is expected


def test_a_standby_is_well_and_says_who_is_active() -> None:
    standby = row("dashboard", process(), report("standby", activeHost="host-b"), now=NOW)
    assert standby.state in AS_IT_SHOULD_BE
    assert standby.state_in_words(NOW) == "standby (active on host-b)"
    assert row("dashboard", process(), report("standby"), now=NOW).state_in_words(NOW) == "standby"


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This host's time of day is UTC's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(("minutes", "words"), [(3, "11:57"), (60 * 24, "2023-12-31 12:00")])
def test_a_standby_says_since_when_by_the_time_of_day_here(minutes: int, words: str, utc: None) -> None:
    since = NOW - timedelta(minutes=minutes)
    standby = row("dashboard", process(), report("standby", activeHost="host-b", activeSince=since), now=NOW)
    assert standby.state_in_words(NOW) == f"standby (active on host-b since {words})"


def test_a_worker_that_no_longer_writes_is_hung() -> None:
    assert state(process(), report(updatedAt=NOW - HUNG_AFTER - timedelta(seconds=1))) is WatcherState.HUNG


def test_a_report_of_the_future_is_as_old_as_the_clock_was_set_back() -> None:
    hung = row("dashboard", process(), report(updatedAt=NOW + HUNG_AFTER + timedelta(seconds=1)), now=NOW)
    assert (hung.state, hung.live) == (WatcherState.HUNG, None)
    assert state(process(), report(updatedAt=NOW + timedelta(seconds=1))) is WatcherState.STREAMING
    silent = process(started_at=int((NOW + timedelta(hours=1)).timestamp()))
    assert state(silent, None) is WatcherState.UNKNOWN


@pytest.mark.parametrize(("birth", "expected"), [(True, WatcherState.HUNG), (False, WatcherState.STOPPED)])
def test_a_worker_that_a_killed_supervisord_left_behind_runs(birth: bool, expected: WatcherState, tmp_path: Path) -> None:
    """It may hang, and so write nothing. An old status without a birth may name any process by now."""
    fleet = Fleet(Deployment.locate(tmp_path))
    left = report("stopped", pid=os.getpid(), birth=birth_of(os.getpid()) if birth else "")
    assert look(fleet, {"dashboard": ""}, Supervised(), lambda _: left).rows[0].state is expected


def test_the_report_of_an_earlier_process_does_not_count() -> None:
    assert state(process(started_at=int(NOW.timestamp())), report(pid=6)) is WatcherState.OPENING
    assert state(process(), report(pid=6)) is WatcherState.UNKNOWN


def test_the_report_of_an_earlier_process_with_the_same_id_does_not_count() -> None:
    """As after a container's restart."""
    started = int(NOW.timestamp())
    assert state(process(started_at=started, birth="boot/900"), report(birth="boot/100")) is WatcherState.OPENING
    assert state(process(started_at=started), report()) is WatcherState.OPENING  # written by a worker that does not tell its birth
    assert state(process(birth="boot/100"), report(birth="boot/100")) is WatcherState.STREAMING


def test_the_birth_tells_a_process_from_others_of_its_id() -> None:
    """Another process than the host's first may be born within the same hundredth of a second."""
    pid, birth = os.getpid(), birth_of(os.getpid())
    assert birth_of(pid) == birth != birth_of(INIT)
    assert is_still(pid, birth)
    assert is_still(pid, "")
    assert not is_still(pid, birth_of(INIT))
    assert birth_of(NO_PID) == ""


@pytest.mark.parametrize(
    ("supervised", "written", "options", "expected"),
    [
        (None, None, {}, WatcherState.NOT_STARTED),
        (None, report("stopped"), {}, WatcherState.STOPPED),
        (None, report("failed"), {}, WatcherState.FAILED),
        (None, None, {"fault": "unknown key"}, WatcherState.FAILED),
        (None, None, {"enabled": False}, WatcherState.DISABLED),
        (process("STOPPED", started_at=0), None, {}, WatcherState.NOT_STARTED),
        (process("STOPPED"), report("stopped"), {}, WatcherState.STOPPED),
        (process("STOPPED"), report("stopped"), {"enabled": False}, WatcherState.DISABLED),
        (process("EXITED"), report("stopped"), {}, WatcherState.STOPPED),
        (process("EXITED", exit_status=78), None, {}, WatcherState.FAILED),
        (process("EXITED", exit_status=78), None, {"enabled": False}, WatcherState.FAILED),
        (process("BACKOFF"), None, {}, WatcherState.FAILED),
        (process("FATAL"), None, {}, WatcherState.FAILED),
        (process("STOPPING"), report(), {}, WatcherState.STOPPING),
        (process(), report(), {"enabled": False}, WatcherState.STREAMING),
        (process(), report(), {"fault": "unknown key"}, WatcherState.STREAMING),
    ],
)
def test_states(supervised: Process | None, written: StatusReport | None, options: dict[str, Any], expected: WatcherState) -> None:
    assert state(supervised, written, **options) is expected


def test_uptime_is_of_a_running_worker() -> None:
    assert row("d", process(), report(), now=NOW).uptime(NOW) == timedelta(minutes=5)
    assert row("d", process("EXITED"), report(), now=NOW).uptime(NOW) is None


SERVER = int(NOW.timestamp())
"""MongoDB's time in a status file written now; with a clock of its own it could be any."""


@pytest.mark.parametrize("clock_difference_s", [0, 86_400, -86_400])
@pytest.mark.parametrize(
    ("behind_s", "committed_s", "written", "expected"),
    [
        (10, 10, {}, WatcherState.STREAMING),  # idle: the position is saved every 10 s
        (0, 3600, {}, WatcherState.STREAMING),  # MongoDB's own time stands still
        (3600, 1, {}, WatcherState.STREAMING),  # a backlog that is being worked off
        (60, 60, {}, WatcherState.STREAMING),
        (61, 61, {}, WatcherState.STALLED),
        (3600, 3600, {}, WatcherState.STALLED),
        (3600, 3600, {"state": "waiting"}, WatcherState.WAITING),  # MongoDB or Kafka is away
        (3600, 3600, {"state": "opening"}, WatcherState.OPENING),
        (3600, 3600, {"startedAt": NOW - timedelta(seconds=5)}, WatcherState.STREAMING),  # just started, at an old position
        (3600, 3600, {"lastError": {"at": NOW - timedelta(seconds=5), "message": "away"}}, WatcherState.STREAMING),  # just back
        (3600, 3600, {"lastError": {"at": NOW - timedelta(seconds=90), "message": "away"}}, WatcherState.STALLED),
        (3600, 3600, {"updatedAt": NOW - timedelta(seconds=30)}, WatcherState.HUNG),
    ],
)
def test_health_is_progress(
    behind_s: int, committed_s: int, written: dict[str, Any], expected: WatcherState, clock_difference_s: int
) -> None:
    server = SERVER + clock_difference_s
    values = {"serverTime": server, "positionTime": server - behind_s, "lastCommitAt": NOW - timedelta(seconds=committed_s)}
    assert state(process(), report(**{**values, **written})) is expected


def test_without_times_nothing_is_called_stalled() -> None:
    assert state(process(), report(lastCommitAt=NOW - timedelta(hours=1), positionTime=1)) is WatcherState.STREAMING
    assert state(process(), report(lastCommitAt=NOW - timedelta(hours=1), serverTime=SERVER)) is WatcherState.STREAMING


def test_a_first_position_that_is_never_committed_is_a_stall() -> None:
    assert state(process(), report(serverTime=SERVER, positionTime=SERVER - 200)) is WatcherState.STALLED


NAMED = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'\\xff) R 1', 0, 0, 0); print(flush=True); time.sleep(60)"  # PR_SET_NAME


def test_another_process_may_have_any_name() -> None:
    """A worker that is gone may have left its process id to one whose name is no text."""
    with subprocess.Popen([sys.executable, "-c", NAMED], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout
            other.stdout.readline()
            assert b"\xff) R 1" in Path(f"/proc/{other.pid}/stat").read_bytes()
            assert not is_still(other.pid, "boot/42")
            assert is_still(other.pid, birth_of(other.pid))
        finally:
            other.kill()
