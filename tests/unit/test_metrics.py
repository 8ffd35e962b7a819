"""Metrics of a worker: every one is documented, and Prometheus' own tools take the text."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import Metric as Parsed
from prometheus_client.parser import text_string_to_metric_families

from tests.support.programs import find_program
from tests.support.worker_account import deliver, position, token
from watcher.agent.metrics.own_metrics import AgentCounts, fleet_exposition, process_exposition
from watcher.config import Settings
from watcher.errors import NotPermitted, Outage
from watcher.fleet.status import Row
from watcher.fleet.status import WatcherState as ShownState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey
from watcher.messages.dead_letters import FOR_KAFKA
from watcher.model import Batch, Message, Owner, Snapshot
from watcher.oplog import Oplog
from watcher.status.report import WorkerState
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting import lag
from watcher.worker.reporting.exposition import Metric, exposition
from watcher.worker.reporting.metrics import METRICS, metrics
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_file import StatusFile
from watcher.worker.reporting.status_report import status_report

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(watcher_\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", re.MULTILINE)
OWNER = Owner("9f3c", 'host "1"', 4711)
NOON = 1_704_110_400
SNAPSHOT = Snapshot("snapshot-1", "insert", "initial", "2024-01-01T11:59:00.000Z", started_sequence=1, collection="users")
FULL_OPLOG = Oplog(NOON - 3600, size=100, max_size=100)


def documented(heading: str) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Type, labels and meaning by name, from the table under `## heading`."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, kind, labels, meaning in ROW.findall(section)}


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> Progress:
    """A worker at noon that has lived through a little of everything."""
    monkeypatch.setattr(lag.time, "time", lambda: float(NOON))
    settings = Settings(name="dashboard", mongodb_uri="mongodb://h/d", kafka_brokers="h:9092", kafka_client_id="c")
    progress = Progress(settings, OWNER, PreviousRun(restarts=3, bugs=1), lambda: None)
    progress.opened(position(NOON - 60, 40))
    progress.streaming()
    progress.received(Batch([b""] * 3, token(NOON - 5), NOON, oplog=FULL_OPLOG, size=300))
    progress.snapshot_counted({"orders": 50, "users": 20_000})
    progress.snapshots.delivered(SNAPSHOT, 0)
    progress.snapshots.delivered(replace(SNAPSHOT, documents=1234, in_collection=1234), 0)
    deliver(
        progress,
        [
            Message("database.insert", None, b"{}", (NOON - 2) * 1000, "insert"),
            Message("database.insert", None, b"{}", (NOON - 2) * 1000, "insert"),
            Message("database.update", None, b"{}", NOON * 1000 - 200, "replace"),
            Message("database.control", None, b"{}", NOON * 1000 - 200, "deadLetter", reason=FOR_KAFKA),
        ],
        position(NOON - 5, 44),
        seconds=0.02,
    )
    progress.encoded(7, 700)
    progress.lost(Outage("Kafka does not answer.", component="kafka", code="_TRANSPORT"))
    progress.received(Batch([], token(NOON - 5), NOON, ended=True, oplog=FULL_OPLOG))
    progress.encoded(2, 20)
    progress.waited(1.5)
    progress.throttled(0.25)
    progress.throttled(0.5)
    return progress


def of_several_databases() -> Progress:
    """A worker of several databases that has delivered a message."""
    uri, scope = "mongodb://h/", ("tenant_*",)
    settings = Settings(name="tenants", mongodb_uri=uri, watch_databases=scope, kafka_brokers="h:9092", kafka_client_id="c")
    progress = Progress(settings, OWNER, PreviousRun(), lambda: None)
    deliver(progress, [Message("database.insert", None, b"{}", NOON * 1000, "insert", database="tenant_1")], position(NOON - 5, 1))
    return progress


def parsed(text: str) -> dict[str, Parsed]:
    """By full name; the parser takes the suffix of a counter away."""
    families = text_string_to_metric_families(text)
    return {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}


def value(text: str, name: str, **labels: str) -> float | None:
    """Of the one sample with these labels; None if there is none."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name]
    found = [sample.value for sample in samples if sample.labels == {"watcher": "dashboard", **labels}]
    assert len(found) <= 1
    return found[0] if found else None


def test_every_metric_of_the_agent_is_documented_and_no_other() -> None:
    ended = Process(name="a", state="EXITED", pid=0, started_at=1, exit_status=77)
    survey = Survey(datetime.now(UTC), 1, (Row("a", ShownState.FAILED, enabled=True, process=ended),))
    counts = AgentCounts()
    counts.note(survey.rows)
    families = parsed(fleet_exposition(survey, counts) + process_exposition())
    told = {name: (family.type, tuple(family.samples[0].labels)) for name, family in families.items()}
    assert {name: row[:2] for name, row in documented("The agent").items()} == told


def test_every_metric_has_all_its_labels(progress: Progress) -> None:
    families, shared = parsed(metrics(progress)), parsed(metrics(of_several_databases()))
    assert families.keys() == {metric.name for metric in METRICS}
    for metric in METRICS:
        labels = {"watcher", *metric.labels}
        assert families[metric.name].type == metric.kind
        assert families[metric.name].documentation == metric.meaning
        samples = families[metric.name].samples or shared[metric.name].samples
        assert samples
        for sample in samples:
            assert sample.labels.keys() - {"le"} == labels


def test_prometheus_own_tool_finds_nothing_to_say(progress: Progress) -> None:
    command = [find_program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=metrics(progress), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("watcher_info", {"database": "d", "client_id": "c", "host": 'host "1"'}, 1),
        ("watcher_state", {"state": "waiting"}, 1),
        ("watcher_state", {"state": "streaming"}, 0),
        ("watcher_restarts_total", {"reason": "bug"}, 1),
        ("watcher_restarts_total", {"reason": "killed"}, 2),
        ("watcher_events_total", {"operation": "insert"}, 2),
        ("watcher_events_total", {"operation": "replace"}, 1),
        ("watcher_events_total", {"operation": "delete"}, 0),
        ("watcher_events_total", {"operation": "control"}, 1),
        ("watcher_messages_committed_total", {"topic": "database.insert"}, 2),
        ("watcher_source_bytes_total", {}, 300),
        ("watcher_sequence", {}, 44),
        ("watcher_lag_seconds", {}, 5),
        ("watcher_event_age_seconds_bucket", {"le": "0.1"}, 0),
        ("watcher_event_age_seconds_bucket", {"le": "0.25"}, 2),
        ("watcher_event_age_seconds_bucket", {"le": "2.5"}, 4),
        ("watcher_event_age_seconds_bucket", {"le": "+Inf"}, 4),
        ("watcher_event_age_seconds_sum", {}, 4.4),
        ("watcher_event_age_seconds_count", {}, 4),
        ("watcher_last_event_timestamp_seconds", {}, NOON - 0.2),
        ("watcher_last_commit_timestamp_seconds", {}, NOON),
        ("watcher_last_poll_timestamp_seconds", {}, NOON),
        ("watcher_server_timestamp_seconds", {}, NOON),
        ("watcher_resume_token_timestamp_seconds", {}, NOON - 5),
        ("watcher_oplog_window_seconds", {}, 3600),
        ("watcher_oplog_headroom_seconds", {}, 3595),
        ("watcher_oplog_full", {}, 1),
        ("watcher_transactions_total", {"result": "committed"}, 1),
        ("watcher_transactions_total", {"result": "aborted"}, 1),
        ("watcher_transaction_commit_seconds_bucket", {"le": "0.025"}, 1),
        ("watcher_transaction_messages_sum", {}, 4),
        ("watcher_queue_messages", {}, 2),
        ("watcher_queue_bytes", {}, 20),
        ("watcher_backpressure_seconds_total", {}, 1.5),
        ("watcher_kafka_throttle_seconds_total", {}, 0.75),
        ("watcher_reopens_total", {"reason": "kafka"}, 1),
        ("watcher_reopens_total", {"reason": "invalidate"}, 1),
        ("watcher_reopens_total", {"reason": "mongodb"}, 0),
        ("watcher_errors_total", {"component": "kafka", "code": "_TRANSPORT"}, 1),
        ("watcher_dead_letters_total", {"reason": "too_large_for_kafka"}, 1),
        ("watcher_dead_letters_total", {"reason": "too_large_for_mongodb"}, 0),
        ("watcher_gaps_total", {}, 0),
        ("watcher_log_dropped_total", {}, 0),
        ("watcher_snapshot_state", {"state": "running"}, 1),
        ("watcher_snapshot_state", {"state": "completed"}, 0),
        ("watcher_snapshot_delivered_documents", {}, 1234),
        ("watcher_snapshot_estimated_documents", {}, 20_050),
        ("watcher_snapshot_start_time_seconds", {}, NOON - 60),
        ("watcher_snapshot_documents_total", {}, 1234),
        ("watcher_snapshots_total", {"state": "aborted"}, 0),
    ],
)
def test_values(progress: Progress, name: str, labels: Mapping[str, str], expected: float) -> None:
    assert value(metrics(progress), name, **labels) == pytest.approx(expected)


def test_the_process_is_this_one(progress: Progress) -> None:
    text = metrics(progress)
    assert 10e6 < (value(text, "watcher_process_resident_memory_bytes") or 0) < 10e9
    assert (value(text, "watcher_process_threads") or 0) >= 1
    assert (value(text, "watcher_process_open_fds") or 0) >= 3
    assert (status_report(progress).rss_bytes or 0) > 10e6


def test_what_is_not_known_yet_is_absent() -> None:
    settings = Settings(name="dashboard", mongodb_uri="mongodb://h/d", kafka_brokers="h:9092", kafka_client_id="c")
    text = metrics(Progress(settings, OWNER, PreviousRun(), lambda: None))
    for name in (
        "lag_seconds",
        "oplog_headroom_seconds",
        "oplog_full",
        "last_commit_timestamp_seconds",
        "server_timestamp_seconds",
        "snapshot_delivered_documents",
        "snapshot_estimated_documents",
    ):
        assert value(text, f"watcher_{name}") is None
    assert value(text, "watcher_state", state="opening") == 1


def test_a_standby_tells_of_no_snapshot(progress: Progress) -> None:
    """The active host tells of it. Here it would stand still for ever, and so would the alert about that."""
    progress.standing_by(WorkerState.STANDBY, None, 44)
    assert value(metrics(progress), "watcher_snapshot_state", state="running") is None
    assert status_report(progress).snapshot is None
    progress.lost(Outage("Kafka is away", component="kafka"))
    assert status_report(progress).snapshot is None
    progress.opened(replace(position(NOON, 44), snapshot=SNAPSHOT))
    progress.streaming()
    assert value(metrics(progress), "watcher_snapshot_state", state="running") == 1


def test_the_last_commit_is_remembered_from_the_process_before() -> None:
    """Else no alert would see that a worker that cannot open delivers nothing."""
    settings = Settings(name="dashboard", mongodb_uri="mongodb://h/d", kafka_brokers="h:9092", kafka_client_id="c")
    progress = Progress(settings, OWNER, PreviousRun(last_commit_at=datetime.fromtimestamp(NOON + 0.345, UTC)), lambda: None)
    assert value(metrics(progress), "watcher_last_commit_timestamp_seconds") == NOON + 0.345
    assert status_report(progress).as_json()["lastCommitAt"] == "2024-01-01T12:00:00.345Z"


def test_errors_that_end_the_worker_are_counted_by_their_kind(progress: Progress) -> None:
    for error in (NotPermitted("MongoDB refuses mallory's credentials."), ZeroDivisionError("a bug")):
        with pytest.raises(type(error)), progress.account_for(threading.Event()):
            raise error
    text = metrics(progress)
    assert value(text, "watcher_errors_total", component="worker", code="NotPermitted") == 1
    assert value(text, "watcher_errors_total", component="worker", code="bug") == 1
    assert "mallory" not in text


def test_labels_are_quoted_and_the_text_read_back() -> None:
    odd = 'a "quoted"\\n\nname'
    text = exposition({Metric("watcher_odd", "gauge", "back\\slash\nand line", ("what",)): {odd: 1.5e-07}}, {"watcher": odd})
    [family] = text_string_to_metric_families(text)
    [sample] = family.samples
    assert (sample.labels, sample.value) == ({"watcher": odd, "what": odd}, 1.5e-07)
    assert family.documentation == "back\\slash\nand line"


def test_the_file_is_written_with_the_status_file(progress: Progress, tmp_path: Path) -> None:
    with StatusFile(tmp_path / "dashboard.json", tmp_path / "dashboard.prom").kept(progress):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dashboard.json", "dashboard.prom"]
    assert value((tmp_path / "dashboard.prom").read_text(), "watcher_sequence") == 44
