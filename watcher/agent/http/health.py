"""The fleet's health, for probes. No I/O; MongoDB and Kafka are not asked."""

from __future__ import annotations

from typing import Any

from watcher.fleet.status import AS_IT_SHOULD_BE, Row
from watcher.fleet.survey import Survey
from watcher.fleet.troubles import reason


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
