"""A survey of the fleet as JSON, for programs. `docs/status-json.md` is the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from watcher.fleet.report import LastError
from watcher.fleet.status import Row
from watcher.fleet.survey import Survey
from watcher.log import iso

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
        "pid": row.process.pid or None if row.process else None,
        "uptimeSeconds": uptime.total_seconds() if uptime is not None else None,
        "fault": row.fault or None,
        **_reported(row, now),
        "lastError": _error(row.error) if row.error else None,
    }


def _reported(row: Row, now: datetime) -> dict[str, Any]:
    """The values that the worker wrote, with the headroom extrapolated to `now`. All are null if it never wrote."""
    report = row.report
    return {
        "database": report.database if report else None,
        "mongoConnected": report.mongo_connected if report else None,
        "kafkaConnected": report.kafka_connected if report else None,
        "lagSeconds": report.lag_seconds if report else None,
        "headroomSeconds": row.headroom_seconds(now),
        "oplogFull": report.oplog_full if report else None,
        "eventsPerSecond": report.events_per_second if report else None,
        "messagesCommitted": report.messages_committed if report else None,
        "sequence": report.sequence if report else None,
        "events": report.events if report else None,
        "lastEventAt": iso(report.last_event_at) if report and report.last_event_at else None,
        "lastCommitAt": iso(report.last_commit_at) if report and report.last_commit_at else None,
        "batchSize": report.batch_size if report else None,
        "commitSeconds": report.commit_seconds if report else None,
        "queueMessages": report.queue_messages if report else None,
        "queueBytes": report.queue_bytes if report else None,
        "rssBytes": report.rss_bytes if report else None,
        "cpuSeconds": report.cpu_seconds if report else None,
        "errors": report.errors if report else None,
        "restarts": report.restarts if report else None,
        "updatedAt": iso(report.updated_at) if report else None,
    }


def _error(error: LastError) -> dict[str, Any]:
    return {
        "at": iso(error.at),
        "message": error.message,
        "hint": error.hint,
        "component": error.component,
        "exitCode": error.exit_code,
    }
