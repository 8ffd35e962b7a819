"""Log of a real worker at level debug, and what it tells Prometheus of the same events."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo.database import Database

from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

SECRET = "correct horse battery staple"
LOUD = {"log_level": "debug", "kafka": {"debug": "eos"}}


@pytest.fixture
def delivered(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> Any:
    """`delivered(settings)`: a worker that has committed an insert, an update and a delete of a secret."""

    def deliver(more: Document) -> WorkerProcess:
        worker = launch(settings | more)
        worker.reached()
        db.users.insert_one({"_id": 1, "secret": SECRET})
        db.users.update_one({"_id": 1}, {"$set": {"more": SECRET}})
        db.users.delete_one({"_id": 1})
        inbox.messages(3)
        eventually(lambda: worker.status["sequence"] == 3)
        return worker

    return deliver


def test_at_level_debug_everything_is_told_but_documents(delivered: Any) -> None:
    worker = delivered(LOUD)
    worker.stop()
    log = worker.log
    assert sum(line["events"] for line in log if line["event"] == "batch") == 3
    commits = [line for line in log if line["event"] == "committed"]
    assert (sum(line["messages"] for line in commits), commits[-1]["sequence"]) == (3, 3)
    assert all(line["ms"] > 0 for line in commits)
    assert {line["logger"].partition(".")[0] for line in log if "logger" in line} == {"pymongo", "librdkafka"}
    assert all({"ts", "level", "event", "watcher", "database"} <= line.keys() for line in log)
    assert SECRET not in worker.output


def test_documents_are_logged_when_asked_for(delivered: Any) -> None:
    worker = delivered({"log_level": "debug", "log_documents": True})
    worker.stop()
    values = [line["value"] for line in worker.log if line["event"] == "message"]
    assert [SECRET in value for value in values] == [True, True, False]


def test_what_prometheus_is_told(delivered: Any) -> None:
    worker = delivered({})
    path = worker.state_dir / "run" / "dashboard.prom"
    told: dict[str, float] = {}

    def sequence() -> float:
        families = text_string_to_metric_families(path.read_text())
        samples = [sample for family in families for sample in family.samples]
        assert {sample.labels["watcher"] for sample in samples} == {"dashboard"}
        told.update({".".join([sample.name, *list(sample.labels.values())[1:]]): sample.value for sample in samples})
        return told["watcher_sequence"]

    # A thread of its own writes the file, perhaps in the midst of what a commit changes.
    eventually(lambda: (sequence(), told["watcher_event_age_seconds_count"], told["watcher_queue_messages"]) == (3, 3, 0))
    operations = {operation: told[f"watcher_events_total.{operation}"] for operation in ("insert", "update", "delete", "control")}
    assert operations == {"insert": 1, "update": 1, "delete": 1, "control": 0}
    assert told["watcher_event_age_seconds_count"] == 3
    assert told["watcher_source_bytes_total"] > 3 * 100
    assert told["watcher_state.streaming"] == 1
    assert (told["watcher_queue_messages"], told["watcher_transactions_total.aborted"]) == (0, 0)
    assert abs(told["watcher_server_timestamp_seconds"] - told["watcher_last_poll_timestamp_seconds"]) < 60
    assert told["watcher_oplog_window_seconds"] >= told["watcher_oplog_headroom_seconds"] >= 0
