"""Reports of workers, as they stand in status files, and the fleet of the documentation's example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.fleet.agent_state import AgentState
from watcher.fleet.status import Row, row
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey
from watcher.log import iso
from watcher.status.report import StatusReport

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
START = NOW - timedelta(minutes=5)


def report_of(values: Mapping[str, Any]) -> StatusReport:
    """Read the report of a status file with these values; times may be datetimes."""
    report = StatusReport.parse(json.dumps(values, default=iso).encode())
    assert report
    return report


def written(**changes: Any) -> StatusReport:
    """The report of the example's worker, with these values changed."""
    values = {
        "pid": 4711,
        "state": "streaming",
        "startedAt": START,
        "updatedAt": NOW,
        "database": "dashboard",
        "mongoConnected": True,
        "kafkaConnected": True,
        "eventsPerSecond": 12.5,
        "messagesCommitted": 1042,
        "sequence": 1042,
        "lagSeconds": 0.4,
        "headroomSeconds": 86_400,
        "oplogFull": True,
        "events": {"insert": 1000, "update": 40, "replace": 0, "delete": 2, "control": 0},
        "lastCommitAt": NOW - timedelta(seconds=0.5),
        "batchSize": 25,
        "commitSeconds": 0.012,
        "rssBytes": 54_000_000,
        "cpuSeconds": 7.5,
        "lastEventAt": NOW - timedelta(seconds=1),
        "errors": 1,
        "restarts": 0,
        "lastError": {
            "at": NOW - timedelta(minutes=2),
            "message": "Kafka cannot be reached",
            "hint": "Is the broker running?",
            "component": "kafka",
        },
    }
    return report_of({**values, **changes})


def survey_of(*rows: Row, supervisord_pid: int | None = 4700) -> Survey:
    """A survey of these watchers, with an agent."""
    return Survey(NOW, supervisord_pid, rows, agent=AgentState(True, "http://127.0.0.1:8085/"))


def dashboard(**changes: Any) -> Row:
    """The example's watcher, which runs, with these values of its report changed."""
    process = Process("dashboard", "RUNNING", pid=4711, started_at=int(START.timestamp()))
    return row("dashboard", process, written(**changes), now=NOW)
