"""`watcherctl doctor` on positions: there, lost, refused, and somebody else's."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.doctoring import as_settings, check_fix, look, problems
from tests.support.kafka_topics import alter_topic, delete_records
from tests.support.streams import read_after
from watcher.config import Deployment, Settings
from watcher.doctor.check import Finding, Outcome, ok
from watcher.doctor.examination import POSITION
from watcher.doctor.position import SavedPosition
from watcher.kafka.sink import KafkaSink
from watcher.model import Delivered, Owner, ResumeToken
from watcher.mongodb.change_stream import ChangeStream
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

ELSEWHERE = {"kafka.authentication": ok(""), "kafka.brokers": ok(""), "mongodb.privileges": ok("")}
US = Owner("of-the-tests", socket.gethostname(), os.getpid())


@pytest.fixture
def watcher(settings: Document) -> Settings:
    return as_settings(settings)


def save(settings: Settings, token: ResumeToken | None, owner: Owner = US) -> None:
    """As a worker does."""
    sink = KafkaSink(settings, owner, Delivered())
    position = sink.open()
    if token:
        sink.deliver([], position.moved(token, 0))
    sink.close()


def present(settings: Settings) -> ResumeToken:
    """MongoDB's position now."""
    stream = ChangeStream(settings)
    try:
        return stream.open_now()
    finally:
        stream.close()


def examined(settings: Settings, run_dir: Path) -> dict[str, Finding]:
    return look(POSITION, SavedPosition(settings, Deployment(run_dir, run_dir, run_dir)), ELSEWHERE)


def write_status(settings: Settings, run_dir: Path, **values: Any) -> None:
    now = datetime.now(UTC).isoformat()
    status = {"pid": US.pid, "clientId": settings.kafka_client_id, "state": "streaming", "startedAt": now, "updatedAt": now}
    (run_dir / "dashboard.json").write_text(json.dumps(status | values))


def test_before_the_first_start(watcher: Settings, tmp_path: Path) -> None:
    found = examined(watcher, tmp_path)
    assert found["position.saved"].text == "none yet; the first start begins with start_from = now"
    assert found["position.in-oplog"].outcome is Outcome.NOT_CHECKED


def test_a_good_position(watcher: Settings, db: Database[Document], tmp_path: Path) -> None:
    db.users.insert_one({})
    save(watcher, present(watcher))
    write_status(watcher, tmp_path)
    found = examined(watcher, tmp_path)
    assert problems(found) == {}
    assert "after message 0, at 20" in found["position.saved"].text
    assert "with a headroom of" in found["position.in-oplog"].text
    assert found["position.owner"].text.endswith("our worker")


def test_a_position_that_mongodb_does_not_take(watcher: Settings, tmp_path: Path) -> None:
    save(watcher, {"_data": "82" + "00000001" + "00" * 8})
    found = examined(watcher, tmp_path)
    check_fix(found["position.in-oplog"], Outcome.FAILED, "cannot continue after the saved position", "on_position_lost")


def test_a_position_whose_event_the_filter_leaves_out_now(
    watcher: Settings, settings: Document, db: Database[Document], tmp_path: Path
) -> None:
    """As the worker does, so the doctor says: it's good if MongoDB holds the event, and not if it never had it."""
    token = present(watcher)
    db.orders.insert_one({"_id": "last"})
    [event] = read_after(watcher, token, "last")
    db.users.insert_one({})
    narrowed = as_settings(settings | {"watch_collections": ["users"]})
    save(narrowed, event["_id"])
    assert problems(examined(narrowed, tmp_path)) == {}
    before, mark, uuid = event["_id"]["_data"].partition("5A1004")
    save(narrowed, {"_data": f"{before}{mark}0000{uuid[4:]}"})
    for settings in (watcher, narrowed):
        found = examined(settings, tmp_path)["position.in-oplog"]
        check_fix(found, Outcome.FAILED, "cannot continue after the saved position", "on_position_lost")


def test_a_position_that_is_gone(watcher: Settings, tmp_path: Path) -> None:
    write_status(watcher, tmp_path, sequence=42)
    check_fix(examined(watcher, tmp_path)["position.saved"], Outcome.FAILED, "has delivered before", "on_position_lost")


def test_a_position_of_another_database(watcher: Settings, settings: Document, tmp_path: Path) -> None:
    save(watcher, present(watcher))
    other = as_settings(settings | {"mongodb_uri": settings["mongodb_uri"].replace(f"/{watcher.database}", "/another")})
    check_fix(examined(other, tmp_path)["position.saved"], Outcome.FAILED, "belongs to database", "kafka_client_id of its own")


def test_another_worker_writes_it(watcher: Settings, tmp_path: Path) -> None:
    save(watcher, present(watcher), Owner("another", "elsewhere", 7))
    check_fix(examined(watcher, tmp_path)["position.owner"], Outcome.WARNING, "process 7 on elsewhere", "kafka_client_id")
    write_status(watcher, tmp_path)
    check_fix(examined(watcher, tmp_path)["position.owner"], Outcome.FAILED, "process 7 on elsewhere", f"process {US.pid}")


def test_topics_that_refuse_or_delete_what_comes_late(
    watcher: Settings, apache: ApacheKafka, db: Database[Document], tmp_path: Path
) -> None:
    db.users.insert_one({})
    save(watcher, present(watcher))
    found = examined(watcher, tmp_path)
    assert found["position.old-changes"].text == "the topics take changes of any age"
    assert found["position.retention"].text.startswith("messages are kept for 7d from the change on")
    topic = watcher.kafka_topic_insert
    alter_topic(apache, topic, {"message.timestamp.before.max.ms": "1", "retention.ms": "1"})
    save(watcher, {"_data": "82" + "FFFFFFFF" + "00" * 8})  # far ahead: the next change is not old, however long this takes
    found = examined(watcher, tmp_path)
    check_fix(found["position.old-changes"], Outcome.WARNING, f"{topic} takes no change older", "message.timestamp.before.max.ms=")
    check_fix(
        found["position.retention"], Outcome.WARNING, f"--entity-name {topic} --add-config message.timestamp.type=LogAppendTime"
    )
    alter_topic(apache, topic, {"message.timestamp.type": "LogAppendTime"})
    save(watcher, present(watcher))
    assert problems(examined(watcher, tmp_path)) == {}


def test_a_position_that_kafka_has_deleted(watcher: Settings, apache: ApacheKafka, tmp_path: Path) -> None:
    """Of which nothing on this host knows."""
    save(watcher, present(watcher))
    alter_topic(apache, watcher.position_topic, {"cleanup.policy": "delete", "retention.ms": "-1"})
    delete_records(apache, watcher.position_topic)
    check_fix(examined(watcher, tmp_path)["position.saved"], Outcome.FAILED, "holds no position", "position rewind")
