"""The status file: what a worker writes into it, and what is read from any."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from tests.support.status_reports import report_of
from tests.support.worker_account import position, token
from watcher.agent.page.model import watcher_view
from watcher.agent.view.history import History
from watcher.cli.fleet.status_view import cells, errors, snapshots
from watcher.config import Settings
from watcher.errors import Outage
from watcher.fleet.status import row
from watcher.fleet.status_json import as_json
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey
from watcher.model import Batch, Message, Owner
from watcher.oplog import Oplog
from watcher.status.report import LastError, StatusReport, move_position, read_report
from watcher.status.snapshot_status import SnapshotStatus
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting import progress as progress_module
from watcher.worker.reporting import status_report as report_module
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import status_report
from watcher.worker.systemd import Notifier

ROOT = Path(__file__).parents[2]
WRITTEN = (ROOT / "tests" / "data" / "status_file.json").read_bytes()
"""As the commit before this module wrote it."""

NOON = 1_704_110_400
NOW = datetime.fromtimestamp(NOON + 0.345, UTC)
OWNER = Owner("9f3c", "host-1", 4711)
OPLOG = Oplog(NOON - 3600, size=100, max_size=100)


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> Progress:
    """A worker at noon that has lived through a little of everything."""
    monkeypatch.setattr(time, "time", NOW.timestamp)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(progress_module, "birth_of", lambda _: "boot/42")
    monkeypatch.setattr(report_module, "resident_bytes", lambda: 54_000_000)
    monkeypatch.setattr(report_module, "cpu_seconds", lambda: 7.5)
    settings = Settings(
        name="dashboard", mongodb_uri="mongodb://h/shop", kafka_brokers="h:9092", kafka_client_id="dashboard-watcher"
    )
    gap = "2024-01-01T10:00:00.500Z"
    previous = PreviousRun(restarts=3, bugs=1, fruitless=2, sequence=40, last_commit_at=NOW, last_gap_at=gap)
    progress = Progress(settings, OWNER, previous, lambda: None)
    progress.opened(position(NOON - 60, 40))
    progress.streaming()
    progress.received(Batch([b""] * 3, token(NOON - 5), NOON, oplog=OPLOG, size=300))
    progress.encoded(2, 4)
    insert = Message("database.insert", None, b"{}", (NOON - 2) * 1000, "insert")
    drop = Message("database.control", None, b"{}", NOON * 1000 - 200, "drop")
    progress.committed([insert, drop], position(NOON - 5, 42), 0.02)
    progress.encoded(7, 700)
    progress.lost(Outage("Kafka does not answer.", hint="Is it running?", component="kafka", code="_TRANSPORT"))
    progress.received(Batch([b""] * 4, token(NOON - 5), NOON, oplog=OPLOG))
    progress.encoded(2, 20)
    return progress


def test_the_file_is_what_it_was_byte_for_byte(progress: Progress) -> None:
    """New fields may come."""
    values = json.loads(status_report(progress).content())
    kept = {key: value for key, value in values.items() if key in json.loads(WRITTEN)}
    assert orjson.dumps(kept, option=orjson.OPT_INDENT_2) == WRITTEN


def test_what_was_written_is_read(progress: Progress) -> None:
    written = status_report(progress)
    assert StatusReport.parse(written.content()) == written
    read = StatusReport.parse(WRITTEN)
    assert read
    assert json.loads(read.content()) | json.loads(WRITTEN) == json.loads(read.content())
    assert read.last_error == LastError(
        at=NOW, message="Kafka does not answer.", hint="Is it running?", component="kafka", exit_code=None
    )


def test_a_file_of_an_older_version_lacks_keys_and_one_of_a_later_has_more() -> None:
    values = json.loads(WRITTEN)
    older = report_of(
        {key: value for key, value in values.items() if key not in {"birth", "oplogFull", "snapshot"}}
    )  # those of 0.1.0
    later = report_of(values | {"version": 2, "phase": "copying", "lastError": values["lastError"] | {"code": 7}})
    assert (older.birth, older.oplog_full, older.snapshot, older.sequence) == ("", None, None, 42)
    assert (later.version, later.sequence, later.last_error) == (2, 42, report_of(values).last_error)


@pytest.mark.parametrize("content", [b"", b"{", b"garbage", b"[1]", b"null", b"\xff", b"{}", b'{"pid": 1}'])
def test_a_file_that_is_none_is_as_good_as_missing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    path.write_bytes(content)
    assert read_report(path) is read_report(tmp_path / "missing.json") is None


ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**18, -(10**18), 1e300, "", "text", "noon", "2024-01-01", "2024-01-01T12:00:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", [], ["a"], {}, {"insert": "x"}, {"exitCode": 1}, {"at": 1, "message": 2},
)  # fmt: skip


def test_odd_values_never_stop_a_reader(rng: Random) -> None:
    values = json.loads(WRITTEN)
    files = [values | {key: odd} for key in values for odd in ODD]
    files += [values | {key: rng.choice(ODD) for key in rng.sample(list(values), 6)} for _ in range(300)]
    whole = {"id": "snapshot-1", "state": "running"}
    files += [values | {"snapshot": whole | {each.key: odd}} for each in SnapshotStatus.fields() for odd in ODD]
    files += [values | {"snapshot": whole | {each.key: rng.choice(ODD) for each in SnapshotStatus.fields()}} for _ in range(300)]
    for file in files:
        read_by_all(StatusReport.parse(json.dumps(file).encode()))


def read_by_all(report: StatusReport | None) -> None:
    PreviousRun.of(report, "dashboard-watcher")
    process = Process("dashboard", "RUNNING", pid=4711, started_at=NOON, birth="boot/42")
    for each in (row("dashboard", process, report, now=NOW), row("dashboard", None, report, now=NOW)):
        survey = Survey(NOW, 1, (each,))
        json.dumps(as_json(survey))
        cells(each, NOW)
        list(errors(survey))
        list(snapshots(survey))
        watcher_view(each, NOW, {})
        History().add(NOON, [each])
    if report:
        Notifier({"NOTIFY_SOCKET": "/nowhere"}).tell(report)


@pytest.mark.parametrize("key", [field.key for field in StatusReport.fields()])
def test_a_value_of_another_type_counts_as_missing(key: str) -> None:
    values = json.loads(WRITTEN) | {key: ["odd", 7]}
    garbled = StatusReport.parse(json.dumps(values).encode())
    del values[key]
    assert garbled == StatusReport.parse(json.dumps(values).encode())


def test_a_position_that_was_set_has_its_own_headroom(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    values = report_of(json.loads(WRITTEN)).as_json() | {"positionTime": 100, "headroomSeconds": 60}
    path.write_text(json.dumps(values))
    move_position(path, 70)
    assert json.loads(path.read_text()) == values | {"positionTime": 70, "headroomSeconds": 30}
    path.write_text(json.dumps(values | {"headroomSeconds": None}))
    move_position(path, 70)
    assert json.loads(path.read_text()) == values | {"positionTime": 70, "headroomSeconds": None}


def test_a_status_file_without_a_position_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    path.write_text(json.dumps(json.loads(WRITTEN) | {"positionTime": None}))
    before = path.read_bytes()
    move_position(path, 70)
    move_position(tmp_path / "never-ran.json", 70)
    assert [each.name for each in tmp_path.iterdir()] == ["dashboard.json"]
    assert path.read_bytes() == before
