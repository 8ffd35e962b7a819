"""The state of each watcher, from two sources: supervisord knows its process, and the status file tells what it does. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from watcher.fleet.supervisord import Process
from watcher.status.report import LastError, StatusReport, WorkerState

HUNG_AFTER = timedelta(seconds=20)
"""Workers write their status every 2 s. After ten missed writes something is wrong. A time that lies so far ahead is as old: the
clock was set back since."""

STALLED_AFTER = timedelta(seconds=60)
"""An idle worker saves its position every 10 s. After six missed saves it is stuck."""

_CLOCK_STEP = timedelta(seconds=1)
"""supervisord rounds the start time of a process down to a second."""


class WatcherState(StrEnum):
    """The state of a watcher, in the words that users read."""

    STREAMING = "streaming"
    STANDBY = "standby"
    OPENING = "opening"
    WAITING = "waiting"
    BACKING_OFF = "backing off"
    STOPPING = "stopping"
    STALLED = "stalled"
    HUNG = "hung"
    STOPPED = "stopped"
    FAILED = "failed"
    DISABLED = "disabled"
    NOT_STARTED = "not started"
    UNKNOWN = "unknown"


_REPORTED: dict[str, WatcherState] = {
    WorkerState.OPENING: WatcherState.OPENING,
    WorkerState.STREAMING: WatcherState.STREAMING,
    WorkerState.STANDBY: WatcherState.STANDBY,
    WorkerState.WAITING: WatcherState.WAITING,
    WorkerState.BACKING_OFF: WatcherState.BACKING_OFF,
    WorkerState.STOPPING: WatcherState.STOPPING,
    WorkerState.STOPPED: WatcherState.STOPPING,  # its process still runs: writing this is the last thing it does
    WorkerState.FAILED: WatcherState.STOPPING,
}
_RUNNING = {*_REPORTED.values(), WatcherState.STALLED, WatcherState.HUNG, WatcherState.UNKNOWN}
_NOT_STREAMING_YET = {WatcherState.OPENING, WatcherState.WAITING, WatcherState.BACKING_OFF}
GONE = "is no longer in conf.d; watcherctl apply stops it"
"""The fault of a watcher that only supervisord still has."""

WITH_OLD_SETTINGS = "with its old settings, for its file has a fault:"
"""Words for how a watcher runs in spite of a fault in its configuration, which follows."""

RECENT = timedelta(hours=1)
"""The time for which an error is news after it is over."""

AS_IT_SHOULD_BE = {WatcherState.STREAMING, WatcherState.STANDBY, WatcherState.DISABLED}


@dataclass(frozen=True, slots=True)
class Row:
    """One watcher. `report` was written by its current or last process. `fault` says what is wrong with its configuration, and
    `is_unapplied` that it is another one than that of the running process."""

    name: str
    state: WatcherState
    enabled: bool
    process: Process | None = None
    report: StatusReport | None = None
    fault: str = ""
    is_unapplied: bool = False

    def state_in_words(self, now: datetime) -> str:
        """The state, and of a standby also where the watcher is active."""
        return f"{self.state} ({elsewhere})" if (elsewhere := self.active_elsewhere(now)) else str(self.state)

    def active_elsewhere(self, now: datetime) -> str:
        """Of a standby, which host has the watcher, and since when by the time of day here; empty if that is not known."""
        report = self.report if self.state is WatcherState.STANDBY else None
        if report is None or report.active_host is None:
            return ""
        return f"active on {report.active_host}" + (
            f" since {_time_of_day(report.active_since, now)}" if report.active_since else ""
        )

    @property
    def is_running(self) -> bool:
        """True if a worker process runs."""
        return self.state in _RUNNING

    @property
    def fault_in_words(self) -> str:
        """The fault, and of a watcher that runs in spite of it, that it does; empty if there is none."""
        if self.is_running and self.fault not in ("", GONE):
            return f"runs {WITH_OLD_SETTINGS} {self.fault}"
        return self.fault

    @property
    def has_aborted_snapshot(self) -> bool:
        """True if the last snapshot failed, so that its copy is incomplete. Never true of a disabled watcher."""
        snapshot = self.report.snapshot if self.report else None
        return snapshot is not None and snapshot.state == "aborted" and self.state is not WatcherState.DISABLED

    @property
    def foreigner(self) -> str:
        """The worker without a lease that has just written for this watcher, which has one; empty if there was none."""
        live = self.live
        return (live.foreigner or "") if live else ""

    @property
    def live(self) -> StatusReport | None:
        """The report if it is current: the running worker wrote it, and not long ago."""
        return self._own if self.is_running and self.state is not WatcherState.HUNG else None

    @property
    def error(self) -> LastError | None:
        """The last error of the current or last process, not of an earlier one."""
        return self._own.last_error if self._own else None

    @property
    def _own(self) -> StatusReport | None:
        """The report if the process that supervisord started last wrote it. If supervisord started none, any report counts."""
        is_own = self.process is None or not self.process.started_at or belongs_to(self.report, self.process)
        return self.report if is_own else None

    @property
    def spawn_error(self) -> str:
        """The reason why supervisord could not start a process; empty if it could."""
        return self.process.spawn_error if self.process and not self.process.is_running else ""

    def recent_error(self, now: datetime) -> LastError | None:
        """The last error, unless it has been over for longer than RECENT, or is over and the worker was stopped since."""
        if self.error and self.is_over and (now - self.error.at >= RECENT or not self.is_running):
            return None
        return self.error

    @property
    def is_over(self) -> bool:
        """True if the error is in the past: the worker streams again, or has committed since."""
        if self.error is None or self.error.exit_code is not None or self.state in _NOT_STREAMING_YET:
            return False
        committed = self.report.last_commit_at if self.report else None
        return self.state in (WatcherState.STREAMING, WatcherState.STANDBY) or (committed is not None and committed > self.error.at)

    @property
    def hint(self) -> str:
        """A hint for the error. Empty if the error is over, and for an outage if no worker is waiting for its end."""
        if self.error is None or self.is_over:
            return ""
        helps = self.is_running or self.state is WatcherState.FAILED or self.error.exit_code is not None
        return self.error.hint if helps else ""

    def headroom_seconds(self, now: datetime) -> float | None:
        """The time by which the position may still age before it is lost, as far as it is known; see StatusReport."""
        return self.report.headroom_at(now) if self.report else None

    @property
    def oplog_full(self) -> bool | None:
        """False if MongoDB's oplog had room at the last report, so that the headroom is a lower bound; None if not known."""
        return self.report.oplog_full if self.report else None

    def uptime(self, now: datetime) -> timedelta | None:
        """The time for which the current worker has been running; None if none runs."""
        if not self.is_running or not self.process or not self.process.started_at:
            return None
        return max(now - datetime.fromtimestamp(self.process.started_at, UTC), timedelta())


def _time_of_day(moment: datetime, now: datetime) -> str:
    """`12:03`, with the date before it unless that is today."""
    local = moment.astimezone()
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d %H:%M}"


def belongs_to(report: StatusReport | None, process: Process) -> bool:
    """True if the process that supervisord started last wrote the report, not an earlier one."""
    if report is None or not process.started_at:
        return False
    if process.pid and report.pid != process.pid:
        return False
    if process.pid and report.birth and process.birth:
        return report.birth == process.birth
    return report.started_at >= datetime.fromtimestamp(process.started_at, UTC) - _CLOCK_STEP


def is_stalled(report: StatusReport) -> bool:
    """True if MongoDB has moved on for a minute while the worker, with nothing in its way, has committed no position.

    MongoDB's times are compared only with each other, and so are the worker's. So their clocks need not agree.
    """
    if report.server_time is None or report.position_time is None:
        return False
    behind_seconds = report.server_time - report.position_time
    outage_at = report.last_error.at if report.last_error else None
    able_since = max(moment for moment in (report.started_at, report.last_commit_at, outage_at) if moment)
    return min(behind_seconds, (report.updated_at - able_since).total_seconds()) > STALLED_AFTER.total_seconds()


def row(
    name: str,
    process: Process | None,
    report: StatusReport | None,
    *,
    now: datetime,
    enabled: bool = True,
    fault: str = "",
    has_changed: bool = False,
) -> Row:
    """The watcher's row. `has_changed` says that its settings are others than when it was started."""
    state = _state(process, report, now, enabled=enabled, fault=fault)
    return Row(name, state, enabled, process, report, fault, is_unapplied=has_changed and state in _RUNNING)


def _state(process: Process | None, report: StatusReport | None, now: datetime, *, enabled: bool, fault: str) -> WatcherState:
    if process and process.is_running:
        return _running_state(process, report, now)
    if process and (process.state in {"BACKOFF", "FATAL"} or (process.state == "EXITED" and process.exit_status)):
        return WatcherState.FAILED
    if not enabled:
        return WatcherState.DISABLED
    if fault:
        return WatcherState.FAILED
    return _state_at_rest(process, report)


def _running_state(process: Process, report: StatusReport | None, now: datetime) -> WatcherState:
    if process.state == "STOPPING":
        return WatcherState.STOPPING
    if report is None or not belongs_to(report, process):
        age = abs(now - datetime.fromtimestamp(process.started_at, UTC))
        return WatcherState.OPENING if age < HUNG_AFTER else WatcherState.UNKNOWN
    if abs(now - report.updated_at) > HUNG_AFTER:
        return WatcherState.HUNG
    state = _REPORTED.get(report.state, WatcherState.UNKNOWN)
    return WatcherState.STALLED if state is WatcherState.STREAMING and is_stalled(report) else state


def _state_at_rest(process: Process | None, report: StatusReport | None) -> WatcherState:
    if report and report.state == WorkerState.FAILED and not (process and process.started_at and not belongs_to(report, process)):
        return WatcherState.FAILED
    has_run = report is not None or (process is not None and process.started_at > 0)
    return WatcherState.STOPPED if has_run else WatcherState.NOT_STARTED
