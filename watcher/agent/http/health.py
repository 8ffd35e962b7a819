"""The fleet's health, for probes. No I/O; MongoDB and Kafka are not asked."""

from __future__ import annotations

from typing import Any

from watcher.fleet.status import AS_IT_SHOULD_BE, Row, WatcherState
from watcher.fleet.survey import Survey

_REASONS = {
    WatcherState.STALLED: "MongoDB moves on, and no position has been committed for a minute",
    WatcherState.HUNG: "the process runs, but has not written its status for 20 seconds",
    WatcherState.STOPPED: "it was stopped",
    WatcherState.NOT_STARTED: "it has never run",
    WatcherState.UNKNOWN: "the process runs, but has not written a status that can be read",
}


def is_ready(survey: Survey) -> bool:
    """True if supervisord runs and every watcher that is meant to stream does."""
    return survey.supervisord_pid is not None and all(row.state in AS_IT_SHOULD_BE for row in survey.rows)


def readiness(survey: Survey) -> dict[str, Any]:
    """The document of `/readyz`: each watcher's state, and the reason if it is not ready."""
    return {
        "ready": is_ready(survey),
        "supervisord": {"running": survey.supervisord_pid is not None},
        "watchers": {row.name: _watcher(row) for row in survey.rows},
    }


def _watcher(row: Row) -> dict[str, Any]:
    ready = row.state in AS_IT_SHOULD_BE
    return {"ready": ready, "state": row.state.replace(" ", "_"), "reason": None if ready else reason(row)}


def reason(row: Row) -> str:
    """The reason why a watcher does not stream, in a sentence."""
    if row.fault and not row.is_running:
        return row.fault
    if row.state in _REASONS:
        return _REASONS[row.state]
    if row.spawn_error:
        return f"it could not be started: {row.spawn_error}"
    return row.error.message if row.error else f"it is {row.state}"
