"""doctor's checks of the workers, which are at hand as their status files and supervisord tell of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.doctoring import as_settings, check_fix
from tests.support.status_reports import NOW, START, dashboard, survey_of, written
from tests.support.worker import watcher_settings
from tests.unit.test_snapshot_line import status
from watcher.config import Settings
from watcher.doctor.check import Finding, Outcome
from watcher.doctor.worker import WorkerSeen, active, restarts, same_settings, snapshot, state, throttling
from watcher.fleet.status import Row, row
from watcher.fleet.supervisord import Process
from watcher.fleet.troubles import UNAPPLIED

OK, WARNING, FAILED, NOT_CHECKED = Outcome.OK, Outcome.WARNING, Outcome.FAILED, Outcome.NOT_CHECKED
SETTINGS = as_settings(watcher_settings("mongodb://h/dashboard", "h:9092", "dashboard"))
LONG_AGO = NOW - timedelta(minutes=4)
SECONDS_AGO = NOW - timedelta(seconds=20)


def worker(row: Row, settings: Settings = SETTINGS, *, supervised: bool = True) -> WorkerSeen:
    seen = survey_of(row, supervisord_pid=4700 if supervised else None)
    return WorkerSeen(settings, lambda: seen)


def ended(exit_status: int = 76, **changes: Any) -> Row:
    """A watcher whose worker has ended."""
    process = Process("dashboard", "EXITED", started_at=int(START.timestamp()), exit_status=exit_status)
    return row("dashboard", process, written(state="failed", **changes), now=NOW)


def at_rest(enabled: bool = True) -> Row:
    return row("dashboard", Process("dashboard", "STOPPED"), None, now=NOW, enabled=enabled)


def judged(finding: Finding, outcome: Outcome, text: str) -> None:
    assert (finding.outcome, finding.text) == (outcome, text)


def test_a_worker_that_streams_or_stands_by_is_well() -> None:
    judged(state(worker(dashboard())), OK, "streaming")
    judged(state(worker(dashboard(state="standby", activeHost="host-b"))), OK, "standby (active on host-b)")


def test_a_worker_that_has_failed_and_what_to_do() -> None:
    error = {"at": NOW, "message": "no replica set", "hint": "run rs.initiate()", "exitCode": 76}
    check_fix(
        state(worker(ended(lastError=error))),
        FAILED,
        "failed: no replica set",
        "run rs.initiate()\nthen: watcherctl start dashboard",
    )
    check_fix(state(worker(ended(lastError=error), supervised=False)), WARNING, "it failed when it last ran: no replica set")


def test_a_worker_that_was_stopped_or_never_started() -> None:
    check_fix(state(worker(at_rest())), WARNING, "it has never run", "watcherctl start dashboard")
    judged(state(worker(at_rest(enabled=False))), OK, "it is disabled, and does not run")
    judged(state(worker(at_rest(), supervised=False)), NOT_CHECKED, "because it does not run")


@pytest.mark.parametrize("written_state", ["waiting", "backing_off"])
def test_a_short_outage_is_to_be_looked_at_and_a_long_one_is_a_failure(written_state: str) -> None:
    word = written_state.replace("_", " ")
    short = state(worker(dashboard(state=written_state, lastCommitAt=SECONDS_AGO)))
    check_fix(short, WARNING, f"{word}, and has committed nothing for 20s: Kafka cannot be reached", "Is the broker running?")
    long = state(worker(dashboard(state=written_state, lastCommitAt=LONG_AGO)))
    check_fix(long, FAILED, f"{word}, and has committed nothing for 4m: Kafka cannot be reached", "Is the broker running?")


def test_a_commit_of_an_earlier_process_does_not_count() -> None:
    process = Process("dashboard", "RUNNING", pid=4711, started_at=int(SECONDS_AGO.timestamp()))
    report = written(state="opening", startedAt=SECONDS_AGO, lastCommitAt=LONG_AGO)
    judged(state(worker(row("dashboard", process, report, now=NOW))), OK, "opening")


def test_opening_for_long_is_a_failure_without_an_error_too() -> None:
    opening = state(worker(dashboard(state="opening", lastCommitAt=None, lastError=None)))
    check_fix(opening, FAILED, "opening, and has committed nothing for 5m: it is opening", "watcherctl logs dashboard")


def test_a_worker_that_hangs() -> None:
    hung = state(worker(dashboard(updatedAt=LONG_AGO)))
    check_fix(hung, FAILED, "hung: the process runs, but has not written its status", "watcherctl restart dashboard")


def test_a_worker_that_runs_with_earlier_settings() -> None:
    check_fix(same_settings(worker(replace(dashboard(), is_unapplied=True))), WARNING, UNAPPLIED.text, "watcherctl apply")
    assert same_settings(worker(dashboard())).outcome is OK
    judged(same_settings(worker(ended())), NOT_CHECKED, "because it does not run")


def test_a_worker_that_crashed() -> None:
    judged(restarts(worker(dashboard())), OK, "no crash since it was started")
    crashed = restarts(worker(dashboard(restarts=2, bugs=1)))
    check_fix(crashed, WARNING, "2 crashes since it was started, 1 by a bug, the last one 5m ago", "please report the bug")
    early = NOW - timedelta(hours=2)
    process = Process("dashboard", "RUNNING", pid=4711, started_at=int(early.timestamp()))
    calm = row("dashboard", process, written(startedAt=early, restarts=1), now=NOW)
    judged(restarts(worker(calm)), OK, "1 crash since it was started, the last one 2h ago")


@pytest.mark.parametrize(
    ("seconds", "end", "bugs", "text", "fix"),
    [
        (1, "terminated by SIGKILL", 0, "the last one 5m ago: killed by SIGKILL", "dmesg -T"),
        (
            1,
            "terminated by SIGSEGV",
            0,
            "the last one 5m ago: killed by SIGSEGV",
            "watcherctl logs supervisord dashboard --level warning",
        ),
        (1, "exit status 1", 1, "1 by a bug, the last one 5m ago: ended with exit code 1", "--level error; please report the bug"),
        (600, "terminated by SIGKILL", 0, "the last one 5m ago", "watcherctl logs supervisord dashboard --level warning"),
    ],
)
def test_how_a_worker_crashed(seconds: int, end: str, bugs: int, text: str, fix: str, tmp_path: Path) -> None:
    """A worker that was killed logs nothing of it."""
    log = tmp_path / "supervisord.log"
    at = (START - timedelta(seconds=seconds)).astimezone().strftime("%Y-%m-%d %H:%M:%S,250")
    log.write_text(f"{at} WARN exited: dashboard ({end}; not expected)\n")
    found = restarts(replace(worker(dashboard(restarts=1, bugs=bugs)), supervisord_log=log))
    check_fix(found, WARNING, text, fix)
    assert found.text.endswith(text)


def test_a_worker_that_crashes_again_and_again() -> None:
    looping = dashboard(state="backing_off", restarts=7, fruitless=7, messagesCommitted=0, lastCommitAt=SECONDS_AGO)
    text = "7 crashes since it was started, the last one 5m ago; the last 7 starts have delivered nothing"
    check_fix(restarts(worker(looping)), FAILED, text, "watcherctl logs supervisord dashboard --level warning")


@pytest.mark.parametrize(
    ("changes", "outcome", "text", "fix"),
    [
        ({}, OK, "8,100/s", ""),
        (
            {"documents_per_second": 0.0, "waits_for": "the stream is behind"},
            WARNING,
            "for 10 s or more",
            "snapshot status dashboard",
        ),
        ({"documents_per_second": 0.0, "started_at": SECONDS_AGO}, OK, "users 12,345", ""),
        ({"state": "paused"}, WARNING, "snapshot paused at 12,345", "snapshot resume dashboard"),
        ({"state": "aborted", "error": "changes are missing"}, WARNING, "changes are missing", "snapshot start dashboard"),
        ({"state": "completed"}, OK, "snapshot completed", ""),
    ],
)
def test_a_snapshot(changes: dict[str, Any], outcome: Outcome, text: str, fix: str) -> None:
    found = snapshot(worker(dashboard(snapshot=status(**{"started_at": LONG_AGO, **changes}).as_json())))
    assert (found.outcome, text in found.text, fix in found.fix) == (outcome, True, True), found


def test_a_snapshot_that_no_worker_goes_on_with() -> None:
    left = snapshot(worker(ended(snapshot=status().as_json())))
    check_fix(left, WARNING, "no worker goes on with it", "watcherctl start dashboard")
    judged(snapshot(worker(at_rest())), NOT_CHECKED, "because it does not run")
    judged(snapshot(worker(dashboard())), OK, "there was none")


def test_a_standby_that_knows_no_active_worker() -> None:
    several = replace(SETTINGS, high_availability=True)
    alone = active(worker(dashboard(state="standby"), several))
    check_fix(alone, FAILED, "no host is known to have the watcher", "watcherctl status dashboard, on every host")
    judged(active(worker(dashboard(state="standby", activeHost="host-b"), several)), OK, "active on host-b")
    judged(active(worker(dashboard(), several)), OK, "on this host")
    judged(active(worker(at_rest(), several)), NOT_CHECKED, "because it does not run")


def test_a_quota_is_told_of_while_the_worker_runs() -> None:
    held_back = throttling(worker(dashboard(throttledSeconds=41.3)))
    check_fix(held_back, WARNING, "41 s of the last minute", "kafka-configs.sh")
    judged(throttling(worker(dashboard())), OK, "Kafka holds back no writes")
    judged(throttling(worker(ended(throttledSeconds=41.3))), NOT_CHECKED, "because it does not run")
    hung = throttling(worker(dashboard(throttledSeconds=41.3, updatedAt=LONG_AGO)))
    judged(hung, NOT_CHECKED, "because its worker tells nothing")
