"""Knowledge that a new worker takes from the last report of the previous one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.errors import ExitCode
from watcher.log import iso
from watcher.model import Delivered
from watcher.status.report import StatusReport, WorkerState

HEALTHY = timedelta(seconds=60)
"""Lifetime from which a worker did not fail at once, whatever it died of."""

FREE_CRASHES = 3
LONGEST_WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """History of a watcher's earlier processes.

    `restarts` counts the crashes since somebody last started the watcher: `bugs` of them by a bug, the others by a signal.
    `fruitless` counts the latest of them in a row that delivered nothing. `sequence` and `last_commit_at` are those of the last
    commit: if either is set, there must be a position in Kafka. `last_gap_at` (ISO 8601) is the last time that changes were missed.
    `report` is all that the previous process wrote.
    """

    restarts: int = 0
    fruitless: int = 0
    sequence: int = 0
    last_commit_at: datetime | None = None
    last_gap_at: str | None = None
    bugs: int = 0
    report: StatusReport | None = None

    @classmethod
    def of(cls, report: StatusReport | None, client_id: str) -> PreviousRun:
        """Make it of the previous worker's report; empty if there is none, or if it is not of this client id."""
        if report is None or report.client_id != client_id:
            return cls()
        crashed = _crashed(report)
        return cls(
            restarts=report.restarts + 1 if crashed else 0,
            fruitless=report.fruitless + 1 if crashed and _achieved_nothing(report) else 0,
            sequence=report.sequence,
            last_commit_at=report.last_commit_at,
            last_gap_at=iso(report.last_gap_at) if report.last_gap_at else None,
            bugs=report.bugs + _ended_by_a_bug(report) if crashed else 0,
            report=report,
        )

    @property
    def has_delivered(self) -> bool:
        """Return True if a position has been committed before."""
        return self.sequence > 0 or self.last_commit_at is not None

    @property
    def delivered(self) -> Delivered:
        """Knowledge of this host about earlier messages."""
        return Delivered(self.has_delivered, self.sequence, self.last_gap_at)

    @property
    def wait_seconds(self) -> int:
        """Seconds to wait before starting work. supervisord itself would restart a crashing worker every second, for ever."""
        excess = self.fruitless - FREE_CRASHES
        return min(2**excess, LONGEST_WAIT_SECONDS) if excess > 0 else 0


def _crashed(report: StatusReport) -> bool:
    """Return True if the worker ended by a bug, or was killed while it was not stopping. After these ends supervisord starts a
    worker again."""
    if report.state == WorkerState.FAILED:
        return _ended_by_a_bug(report)
    return report.state not in (WorkerState.STOPPING, WorkerState.STOPPED)


def _ended_by_a_bug(report: StatusReport) -> bool:
    error = report.last_error
    return report.state == WorkerState.FAILED and error is not None and error.exit_code == ExitCode.BUG


def _achieved_nothing(report: StatusReport) -> bool:
    return not report.messages_committed and report.updated_at - report.started_at < HEALTHY
