"""Checks the workers as they tell of themselves: by supervisord's answer and their status files, which are read once for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from watcher.config import Settings
from watcher.config.deployment import SUPERVISORD
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.configuration import Here
from watcher.errors import QUOTA_HINT
from watcher.fleet.control import Fleet
from watcher.fleet.logs.supervisords import last_crash
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.survey import Survey, survey
from watcher.fleet.troubles import STUCK, THROTTLED_SECONDS, UNAPPLIED, hint_for_stuck, reason, throttled_in_words
from watcher.terminal.durations import duration_in_words
from watcher.terminal.message_text import printable
from watcher.terminal.snapshot_line import snapshot_line

PATIENCE = timedelta(seconds=60)
"""Time within which a worker opens, and rides out a short outage. It saves its position every 10 s, even without changes, on
whichever host it is active."""

RECENT = timedelta(hours=1)
"""Time for which a crash is worth a look after it is over."""

RESTARTED_WITHIN = timedelta(seconds=10)
"""Time within which supervisord starts a program again after a crash; it takes about a second."""

NOT_RUNNING = "because it does not run"

KILLED = "killed by SIGKILL"
"""Words for the end of a process that the kernel has killed for want of memory, or somebody by hand."""

_DOWN = {WatcherState.STOPPED, WatcherState.NOT_STARTED}
_BRIEF = {WatcherState.OPENING, WatcherState.STOPPING}


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """One watcher's worker. `look` returns the fleet's survey, and raises FleetError. `supervisord_log` is supervisord's own."""

    settings: Settings
    look: Callable[[], Survey]
    supervisord_log: Path | None = None

    @property
    def survey(self) -> Survey:
        """The survey in which it is seen."""
        return self.look()

    @property
    def at(self) -> datetime:
        """The time of the survey."""
        return self.survey.at

    @property
    def row(self) -> Row:
        """Its row in the survey."""
        return next(row for row in self.survey.rows if row.name == self.settings.name)

    @property
    def uptime(self) -> timedelta:
        """The time for which its process has run."""
        return self.row.uptime(self.at) or timedelta()

    @property
    def idle_for(self) -> timedelta:
        """The time since it last committed anything, or was started."""
        committed = self.row.live.last_commit_at if self.row.live else None
        return min(self.uptime, self.at - committed) if committed else self.uptime

    @property
    def crash(self) -> str:
        """The end of the process before this one, as supervisord logged it just before it started this one; empty if not known."""
        told = last_crash(self.supervisord_log, self.row.name) if self.supervisord_log else None
        return told[1] if told and abs(self.at - self.uptime - told[0]) < RESTARTED_WITHIN else ""


def look(here: Here) -> Survey:
    """Survey the workers of all watchers that are to be checked. Raises FleetError."""
    fleet = Fleet(here.deployment)
    return survey(fleet, (settings.name for settings in here.watchers), fleet.unapplied(here.watchers))


def state(worker: WorkerSeen) -> Finding:
    """Check that the worker streams, or stands by."""
    row = worker.row
    if row.state is WatcherState.FAILED:
        return _judge_failed(worker)
    if row.state in _DOWN:
        # If supervisord does not run, nothing is meant to.
        return warning(reason(row), f"watcherctl start {row.name}") if worker.survey.supervisord_pid else not_checked(NOT_RUNNING)
    if row.state is WatcherState.DISABLED:
        return ok("it is disabled, and does not run")
    if row.state in STUCK:
        return failed(f"{row.state}: {reason(row)}", hint_for_stuck(row))
    if row.state in (WatcherState.STREAMING, WatcherState.STANDBY):
        return ok(printable(row.state_in_words(worker.at)))
    return _judge_waiting(worker)


def _judge_failed(worker: WorkerSeen) -> Finding:
    """Judge a worker that has ended. Without supervisord this may be long ago, and mended."""
    name = worker.row.name
    fix = f"{printable(worker.row.hint) or f'watcherctl logs {name}'}\nthen: watcherctl start {name}"
    text = printable(reason(worker.row))
    return failed(f"failed: {text}", fix) if worker.survey.supervisord_pid else warning(f"it failed when it last ran: {text}", fix)


def _judge_waiting(worker: WorkerSeen) -> Finding:
    row = worker.row
    if worker.idle_for < PATIENCE and row.state in _BRIEF:
        return ok(str(row.state))
    text = f"{row.state}, and has committed nothing for {duration_in_words(worker.idle_for)}: {printable(reason(row))}"
    fix = printable(row.hint) or f"watcherctl logs {row.name}"
    return warning(text, fix) if worker.idle_for < PATIENCE else failed(text, fix)


def same_settings(worker: WorkerSeen) -> Finding:
    """Check that the worker runs with the settings that the other checks are about."""
    if not worker.row.is_running:
        return not_checked(NOT_RUNNING)
    if worker.row.is_unapplied:
        return warning(UNAPPLIED.text, UNAPPLIED.hint)
    return ok("those of conf.d")


def restarts(worker: WorkerSeen) -> Finding:
    """Check that the worker does not crash again and again. An end by an error that stops it is a matter of its state."""
    report = worker.row.live
    if report is None:
        return _silent(worker.row)
    if not report.restarts:
        return ok("no crash since it was started")
    times = f"{report.restarts} crash{'es' if report.restarts > 1 else ''} since it was started"
    by_bugs = f", {report.bugs} by a bug" if report.bugs else ""
    how = f": {crash}" if (crash := worker.crash) else ""
    text = f"{times}{by_bugs}, the last one {duration_in_words(worker.uptime)} ago{how}"
    fix = _fix_of_crash(worker.row.name, crash, has_bugs=bool(report.bugs))
    if report.fruitless > 1 and worker.idle_for < PATIENCE and not report.messages_committed:
        return failed(f"{text}; the last {report.fruitless} starts have delivered nothing", fix)
    return warning(text, fix) if worker.uptime < RECENT else ok(text)


def _fix_of_crash(name: str, crash: str, *, has_bugs: bool) -> str:
    """Say where the reason of a crash is found. A killed worker logs nothing of it; supervisord does."""
    fixes = [f"watcherctl logs {name} --level error; please report the bug"] if has_bugs else []
    if crash == KILLED:
        fixes.append("find out who killed it; if memory was short, the kernel did: dmesg -T | grep -i 'killed process'")
    elif not has_bugs:
        fixes.append(f"watcherctl logs {SUPERVISORD} {name} --level warning")
    return "\n".join(fixes)


def snapshot(worker: WorkerSeen) -> Finding:
    """Check that the snapshot, if there is one, makes progress, and that the last one was not aborted."""
    row = worker.row
    told = row.report.snapshot if row.report else None
    if told is None:
        return ok("there was none") if row.is_running else not_checked(NOT_RUNNING)
    text = printable(snapshot_line(told, worker.at, is_live=row.live is not None))
    if row.has_aborted_snapshot:
        return warning(text, f"watcherctl snapshot start {row.name}")
    if told.state == "paused":
        return warning(text, f"watcherctl snapshot resume {row.name}")
    if not told.is_under_way:
        return ok(text)
    if row.live is None:
        return warning(text, f"watcherctl start {row.name}")
    has_begun = told.started_at is None or worker.at - told.started_at > PATIENCE
    if not told.documents_per_second and has_begun and worker.uptime > PATIENCE:
        return warning(f"{text}; nothing has been copied for 10 s or more", f"watcherctl snapshot status {row.name}")
    return ok(text)


def active(worker: WorkerSeen) -> Finding:
    """Check that a worker that stands by knows who has the watcher."""
    row = worker.row
    if row.live is None:
        return _silent(row)
    if not worker.settings.high_availability:
        return ok("no other host runs it: high_availability is off")
    if row.state is not WatcherState.STANDBY:
        return ok("on this host")
    if elsewhere := row.active_elsewhere(worker.at):
        return ok(printable(elsewhere))
    if worker.uptime < PATIENCE:
        return ok("not known yet")
    return failed("no host is known to have the watcher", f"watcherctl status {row.name}, on every host; start it where it is down")


def throttling(worker: WorkerSeen) -> Finding:
    """Check that no quota of Kafka's holds back the worker. Kafka tells that in its answers to writes alone."""
    report = worker.row.live
    if report is None:
        return _silent(worker.row)
    if report.throttled_seconds >= THROTTLED_SECONDS:
        return warning(throttled_in_words(report.throttled_seconds), QUOTA_HINT)
    return ok("Kafka holds back no writes")


def _silent(row: Row) -> Finding:
    """Make the finding for a worker of which nothing is known now."""
    return not_checked("because its worker tells nothing" if row.is_running else NOT_RUNNING)


ASKED = ("host.supervisord",)

CHECKS: tuple[Check[WorkerSeen], ...] = (
    Check("worker.state", state, needs=ASKED),
    Check("worker.settings", same_settings, needs=ASKED),
    Check("worker.restarts", restarts, needs=ASKED),
    Check("worker.snapshot", snapshot, needs=ASKED),
    Check("worker.active", active, needs=ASKED),
    Check("worker.throttling", throttling, needs=ASKED),
)
