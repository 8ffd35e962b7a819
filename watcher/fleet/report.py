"""A worker's status file, `run/<name>.json`. The worker writes it every 2 s and at each change of state."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class LastError(_Written):
    """The worker's last error and what to do about it."""

    at: datetime
    message: str
    hint: str = ""
    component: str = "worker"
    exit_code: int | None = None


class Report(_Written):
    """The content of a status file. Times are in UTC.

    `lag_seconds`, `headroom_seconds` and `oplog_full` are None if the server does not reveal them. `server_time` and
    `position_time` are the times of MongoDB's last operation and of the position, in whole seconds since 1970 by MongoDB's clock.
    `events` counts the events of this process by operation. `batch_size` and `commit_seconds` are those of the last transaction.
    `birth` distinguishes the process from others with the same `pid`.
    """

    pid: int
    birth: str = ""
    state: str
    started_at: datetime
    updated_at: datetime
    database: str = ""
    mongo_connected: bool = False
    kafka_connected: bool = False
    events_per_second: float = 0.0
    messages_committed: int = 0
    sequence: int = 0
    lag_seconds: float | None = None
    headroom_seconds: float | None = None
    oplog_full: bool | None = None
    last_event_at: datetime | None = None
    last_commit_at: datetime | None = None
    last_poll_at: datetime | None = None
    server_time: int | None = None
    position_time: int | None = None
    events: dict[str, int] = {}
    batch_size: int = 0
    commit_seconds: float | None = None
    queue_messages: int = 0
    queue_bytes: int = 0
    rss_bytes: int | None = None
    cpu_seconds: float | None = None
    errors: int = 0
    restarts: int = 0
    last_error: LastError | None = None


def read_report(run_dir: Path, name: str) -> Report | None:
    """Read the watcher's status file; None if it is missing or cannot be parsed."""
    try:
        return Report.model_validate_json((run_dir / f"{name}.json").read_bytes())
    except (OSError, ValidationError):
        return None
