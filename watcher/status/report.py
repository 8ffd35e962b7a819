"""The content of a status file. A new field is a line here, and its value in `worker/reporting/status_report.py`.

PUBLIC names those that `watcherctl status --json` shows; `make docs-parts` puts their meanings into `docs/status-json.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson

from watcher.private import readable_mode, replace_file
from watcher.status.database_status import DatabaseStatus
from watcher.status.json_record import JsonRecord
from watcher.status.snapshot_status import SnapshotStatus

FRESH = timedelta(seconds=5)
"""Age up to which a report counts as current: workers write every 2 s."""


class WorkerState(StrEnum):
    """Activity of a worker."""

    BACKING_OFF = "backing_off"
    OPENING = "opening"
    STREAMING = "streaming"
    STANDBY = "standby"
    WAITING = "waiting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError(JsonRecord):
    """The last error of a worker, and what to do about it. `exit_code` is set if it ended the worker."""

    at: datetime
    message: str
    hint: str = ""
    component: str = "worker"
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport(JsonRecord):
    """All that a worker tells of itself, in the file's order.

    The fields without a default are in every status file. Older versions lack some of the others; None means unknown.
    """

    version: Annotated[int, "goes up if a key goes away or changes its meaning"] = 1
    watcher: Annotated[str, "the watcher's name"] = ""
    client_id: Annotated[str, "its `kafka_client_id`"] = ""
    database: Annotated[str, "the database that it watches"] = ""
    pid: Annotated[int, "the worker's process id"]
    birth: Annotated[str, "tells the process from others with the same id"] = ""
    instance: Annotated[str, "the process's random name, as in the position topic"] = ""
    host: Annotated[str, "the host that it runs on"] = ""
    started_at: Annotated[datetime, "when the process was started"]
    updated_at: Annotated[datetime, "when the worker wrote this; old while `running` means hung"]
    state: Annotated[str, "a WorkerState, or a state of a later version"]
    mongo_connected: Annotated[bool, "whether the change stream is open"] = False
    kafka_connected: Annotated[bool, "whether the producer is open"] = False
    events: Annotated[Mapping[str, int], "the events that the present process has delivered, by operation"] = field(
        default_factory=dict
    )
    messages_committed: Annotated[int, "the messages that the present process has delivered"] = 0
    events_per_second: Annotated[float, "messages delivered in a second, on average over the last 10 s"] = 0.0
    buffer_size: Annotated[int, "what has been read from MongoDB and is not yet committed: events, and messages"] = 0
    queue_messages: Annotated[int, "messages that wait for their commit"] = 0
    queue_bytes: Annotated[int, "the size of these messages, in bytes"] = 0
    sequence: Annotated[int, "the number of the watcher's last message, over all its processes"] = 0
    lag_seconds: Annotated[float | None, "how far Kafka is behind MongoDB, in seconds by MongoDB's own clock"] = None
    headroom_seconds: Annotated[
        float | None, "how many seconds older the position may become before MongoDB's oplog no longer holds what follows it"
    ] = None
    oplog_full: Annotated[
        bool | None, "false while MongoDB's oplog has room and so has forgotten nothing; then `headroomSeconds` is a minimum"
    ] = None
    server_time: Annotated[int | None, "MongoDB's time at its last answer, in seconds since 1970"] = None
    position_time: Annotated[int | None, "MongoDB's time of the committed position, in seconds since 1970"] = None
    last_poll_at: Annotated[datetime | None, "when MongoDB last answered"] = None
    last_event_at: Annotated[
        datetime | None,
        "when the last committed change was made, by any process of this host; null if another host made it",
    ] = None
    last_commit_at: Annotated[
        datetime | None, "when the last transaction was committed, with messages or with the position alone"
    ] = None
    batch_size: Annotated[int, "the number of messages in the last transaction that had any"] = 0
    commit_seconds: Annotated[float | None, "how long the last transaction took, in seconds"] = None
    delivering_seconds: Annotated[
        float,
        "for how many seconds the transaction in hand has been under way; ten or more mean that Kafka does not answer, refuses "
        "every try, or is slow",
    ] = 0.0
    throttled_seconds: Annotated[
        float, "for how many seconds of the last minute Kafka has held back the writes, because a quota is used up"
    ] = 0.0
    errors: Annotated[int, "the errors of the present process"] = 0
    reopens: Annotated[int, "how often the present process has lost MongoDB or Kafka"] = 0
    restarts: Annotated[int, "starts after a crash, since somebody last started the watcher"] = 0
    bugs: Annotated[int, "those of the `restarts` that followed a bug"] = 0
    fruitless: Annotated[int, "the latest `restarts` in a row that delivered nothing"] = 0
    gaps: Annotated[int, "the gaps in the stream that the present process went on after"] = 0
    last_gap_at: Annotated[datetime | None, "when the watcher last went on after a gap"] = None
    snapshot: Annotated[SnapshotStatus | None, "[the snapshot under way](#a-snapshot), or the last one; null if there was none"] = (
        None
    )
    databases: Annotated[
        tuple[DatabaseStatus, ...],
        "of a watcher of several databases: [the ten busiest](#the-busiest-databases) of those with messages; else empty",
    ] = ()
    database_count: Annotated[
        int, "of a watcher of several databases: how many the present process has delivered messages of, up to 1,000"
    ] = 0
    active_host: Annotated[str | None, "of a standby: the host whose worker has the watcher, as it last saw"] = None
    active_since: Annotated[datetime | None, "of a standby: when that worker took the watcher over, by the clock of its host"] = (
        None
    )
    settings_differ: Annotated[
        tuple[str, ...], "of a standby: how the settings of the active host differ from its own, in words and without secrets"
    ] = ()
    foreigner: Annotated[
        str | None,
        "a worker without a lease that has written for this watcher within the last minute; only with `high_availability`",
    ] = None
    last_error: Annotated[LastError | None, "the last error, also one that is over"] = None
    rss_bytes: Annotated[int | None, "the worker process's resident memory, in bytes"] = None
    cpu_seconds: Annotated[float | None, "the processor time that the worker process has used, in seconds"] = None

    @classmethod
    def parse(cls, content: bytes) -> StatusReport | None:
        """Parse the content of a status file; None if it is not one."""
        try:
            return cls.from_json(orjson.loads(content))
        except ValueError:
            return None

    def content(self) -> bytes:
        """Return the content of the status file."""
        return orjson.dumps(self.as_json(), option=orjson.OPT_INDENT_2)

    def headroom_at(self, now: datetime) -> float | None:
        """Return the headroom at `now`, in seconds: the time since the report is taken off. A minimum if `oplog_full` is false.

        None if nothing is known, or nothing is known any longer.
        """
        if self.headroom_seconds is None:
            return None
        age = now - self.updated_at
        left = self.headroom_seconds - (age.total_seconds() if age > FRESH else 0)
        return None if left <= 0 < self.headroom_seconds and self.oplog_full is False else left


PUBLIC = (
    "database",
    "mongoConnected",
    "kafkaConnected",
    "lagSeconds",
    "headroomSeconds",
    "oplogFull",
    "eventsPerSecond",
    "messagesCommitted",
    "sequence",
    "events",
    "lastEventAt",
    "lastCommitAt",
    "batchSize",
    "commitSeconds",
    "deliveringSeconds",
    "throttledSeconds",
    "queueMessages",
    "queueBytes",
    "rssBytes",
    "cpuSeconds",
    "errors",
    "restarts",
    "snapshot",
    "databases",
    "databaseCount",
    "activeHost",
    "activeSince",
    "settingsDiffer",
    "foreigner",
    "updatedAt",
)
"""The fields that `watcherctl status --json` passes on, in its order and by their names in JSON."""


def read_report(path: Path) -> StatusReport | None:
    """Read a status file; None if it is missing, or cannot be read or understood."""
    try:
        return StatusReport.parse(path.read_bytes())
    except OSError:
        return None


def move_position(path: Path, position_time: int) -> None:
    """Correct a status file after a command has set the position, as the headroom is that of the old one. Errors: OSError."""
    report = read_report(path)
    if report is None or report.position_time is None:
        return
    headroom = report.headroom_seconds
    if headroom is not None:
        headroom += position_time - report.position_time
    content = replace(report, position_time=position_time, headroom_seconds=headroom).content()
    replace_file(path, content, readable_mode(path.parent))
