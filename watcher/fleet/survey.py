"""Looking at a fleet: asks supervisord and reads the status files, and gives a row per watcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.fleet.control import Fleet
from watcher.fleet.errors import NotRunning
from watcher.fleet.polling import is_alive
from watcher.fleet.report import Report, read_report
from watcher.fleet.status import HUNG_AFTER, Row, row
from watcher.fleet.supervisord import Process


@dataclass(frozen=True, slots=True)
class Survey:
    """The fleet at one moment. `supervisord_pid` is None if it does not run."""

    at: datetime
    supervisord_pid: int | None
    rows: tuple[Row, ...]


def survey(fleet: Fleet, names: Iterable[str], faults: Mapping[str, str] | None = None) -> Survey:
    """Look at these watchers; `faults` says what is wrong with the configuration of some. Raises FleetError."""
    now = datetime.now(UTC)
    pid, processes = _ask(fleet)
    rows = tuple(_look(fleet, name, processes.get(name), (faults or {}).get(name, ""), now) for name in names)
    return Survey(now, pid, rows)


def _ask(fleet: Fleet) -> tuple[int | None, dict[str, Process]]:
    try:
        return fleet.supervisord.pid(), fleet.supervisord.processes()
    except NotRunning:
        return None, {}


def _look(fleet: Fleet, name: str, process: Process | None, fault: str, now: datetime) -> Row:
    report = read_report(fleet.deployment.run_dir, name)
    if report and not (process and process.is_running):
        process = _by_hand(name, report, now) or process
    return row(name, process, report, now=now, enabled=name not in fleet.disabled, fault=fault)


def _by_hand(name: str, report: Report, now: datetime) -> Process | None:
    """A worker that somebody runs without supervisord, `watcherctl run NAME`, counts as running too."""
    if now - report.updated_at > HUNG_AFTER or not is_alive(report.pid):
        return None
    return Process(name, "RUNNING", pid=report.pid, started_at=int(report.started_at.timestamp()))
