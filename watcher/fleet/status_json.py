"""A survey of the fleet as JSON, for programs. `docs/status-json.md` is the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from watcher.fleet.status import Row
from watcher.fleet.survey import Survey
from watcher.log import iso
from watcher.status.report import PUBLIC

VERSION = 1
"""The version of the document. It goes up if a key is removed or changes its meaning, but not for new keys."""


def as_json(survey: Survey) -> dict[str, Any]:
    """The whole document."""
    return {
        "version": VERSION,
        "at": iso(survey.at),
        "supervisord": {"running": survey.supervisord_pid is not None, "pid": survey.supervisord_pid},
        "trouble": survey.trouble or None,
        "agent": {
            "wanted": survey.agent.wanted,
            "url": survey.agent.url or None,
            "trouble": survey.agent.trouble or None,
        },
        "watchers": [_watcher(row, survey.at) for row in survey.rows],
    }


def _watcher(row: Row, now: datetime) -> dict[str, Any]:
    uptime = row.uptime(now)
    return {
        "name": row.name,
        "state": row.state.replace(" ", "_"),
        "running": row.is_running,
        "enabled": row.enabled,
        "unapplied": row.is_unapplied,
        "pid": row.process.pid or None if row.process else None,
        "uptimeSeconds": uptime.total_seconds() if uptime is not None else None,
        "fault": row.fault or None,
        **_reported(row, now),
        "lastError": row.error.as_json() | {"over": row.is_over} if row.error else None,
    }


def _reported(row: Row, now: datetime) -> dict[str, Any]:
    """The values that the worker wrote, with the headroom as it is `now`. All are null if it never wrote."""
    written = row.report.as_json() if row.report else {}
    return {key: written.get(key) for key in PUBLIC} | {"headroomSeconds": row.headroom_seconds(now)}
