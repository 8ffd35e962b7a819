"""A worker goes on from what 0.1.0 has left: its position topic and its status file, as its code wrote them. And 0.1.0 goes on from
what a worker leaves: its own code does so, taken from the history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from confluent_kafka import Producer
from pymongo.database import Database

from tests.support.doctoring import as_settings
from tests.support.kafka_topics import create_topic
from tests.support.records import read_topics
from tests.support.snapshot_messages import check, completed, operations, rows, twice
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.mongodb.timeline import Timeline
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.old_release"]

OWNER = '{"instance":"0011223344556677","host":"old-host","pid":4711}'
CLAIM = '{"version":1,"owner":' + OWNER + "}"
POSITION = '{"version":1,"database":"DATABASE","sequence":41,"token":{"_data":"TOKEN"},"owner":' + OWNER + "}"
TOPIC_CONFIG = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
}
STATUS: dict[str, Any] = {
    "version": 1, "watcher": "dashboard", "pid": 4711, "instance": "0011223344556677", "host": "old-host",
    "startedAt": "2026-11-24T10:00:00.000Z", "updatedAt": "2026-11-24T11:00:00.000Z", "state": "stopped", "mongoConnected": True,
    "kafkaConnected": True, "events": {"insert": 41}, "messagesCommitted": 41, "eventsPerSecond": 0.0, "bufferSize": 0,
    "queueMessages": 0, "queueBytes": 0, "sequence": 41, "lagSeconds": 0.0, "headroomSeconds": None, "serverTime": 1795514400,
    "positionTime": 1795514400, "lastPollAt": None, "lastEventAt": None, "lastCommitAt": "2026-11-24T10:59:59.000Z", "batchSize": 1,
    "commitSeconds": 0.004, "errors": 0, "reopens": 0, "restarts": 0, "bugs": 0, "fruitless": 0, "gaps": 0, "lastGapAt": None,
    "lastError": None, "rssBytes": 46000000, "cpuSeconds": 1.0,
}  # fmt: skip


def test_position_and_status_file_are_taken_over(
    launch: Launch, settings: dict[str, Any], inbox: Inbox, kafka: Broker, db: Database[Any], tmp_path: Path
) -> None:
    token = Timeline(as_settings(settings)).now()
    db.users.insert_one({"_id": "since then"})
    topic = f"{settings['kafka_client_id']}.position"
    create_topic(kafka, topic, TOPIC_CONFIG)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, CLAIM, "claim")
    producer.produce(topic, POSITION.replace("DATABASE", db.name).replace("TOKEN", token["_data"]), "position")
    assert producer.flush(30) == 0
    (tmp_path / "run").mkdir()
    status = STATUS | {"clientId": settings["kafka_client_id"], "database": db.name}
    (tmp_path / "run" / "dashboard.json").write_text(json.dumps(status))

    worker = launch(settings)
    worker.reached()
    [message] = inbox.messages(1)
    assert (message["documentKey"]["_id"], message["sequence"]) == ("since then", 42)
    assert worker.stop() == 0
    assert worker.logged("error") == []


def test_it_may_take_over_in_mid_snapshot_and_give_back(
    launch: Launch, settings: dict[str, Any], inbox: Inbox, kafka: Broker, db: Database[Any]
) -> None:
    """It knows no snapshots: it writes positions without one, and leaves the snapshot's own record alone."""
    db.users.insert_many([{"_id": number, "name": f"users/{number}", "version": 0} for number in range(1500)])
    copying = settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": 200}
    topic = f"{settings['kafka_client_id']}.position"
    worker = launch(copying)
    worker.reached()
    eventually(lambda: worker.status["sequence"] > 100)
    assert worker.stop() == 0
    last = {record.key: record.value for record in read_topics(kafka.bootstrap, [topic])}
    database, token, sequence = read_by_0_1_0(last[b"position"] or b"")
    assert json.loads(last[b"snapshot"] or b"")["id"] == json.loads(last[b"position"] or b"")["snapshot"]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, CLAIM, "claim")
    written = POSITION.replace("DATABASE", database).replace("TOKEN", token["_data"]).replace(":41,", f":{sequence},")
    producer.produce(topic, written, "position")
    assert producer.flush(30) == 0

    worker = launch(settings | {"snapshot_mode": "initial"})
    worker.reached()
    db.users.update_one({"_id": 1499}, {"$set": {"version": 1}})
    completed(inbox)
    messages = check(inbox, db)
    assert twice(messages) == []
    assert len(operations(messages, "snapshotStarted")) == 1
    assert worker.stop() == 0
    assert worker.logged("error") == []


@pytest.mark.parametrize("end", [WorkerProcess.stop, WorkerProcess.kill])
def test_a_process_of_it_takes_over_in_mid_snapshot_and_gives_back(
    end: Callable[[WorkerProcess], object],
    old_program: tuple[str, ...],
    launch: Launch,
    settings: dict[str, Any],
    inbox: Inbox,
    kafka: Broker,
    db: Database[Any],
    tmp_path: Path,
) -> None:
    db.users.insert_many([{"_id": number, "name": f"users/{number}", "version": 0} for number in range(1500)])
    copying = settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": 300}
    worker = launch(copying)
    worker.reached()
    eventually(lambda: worker.status["sequence"] > 300)
    end(worker)

    old = WorkerProcess(tmp_path, settings)  # it would refuse settings that it does not know
    old.program = old_program
    with old:
        old.reached()
        copied = len(rows(inbox.messages()))
        for number in (0, 1, 1498, 1499):
            db.users.update_one({"_id": number}, {"$set": {"version": 1}})
        eventually(lambda: len(operations(inbox.messages(), "update")) == 4, 30)
        end(old)
    messages = inbox.messages()
    last = {record.key: record.value for record in read_topics(kafka.bootstrap, [f"{settings['kafka_client_id']}.position"])}
    assert "snapshot" not in json.loads(last[b"position"] or b"")
    assert len(rows(messages)) == copied < 1500
    assert messages[-1]["operationType"] == "update"

    worker = launch(copying)
    worker.reached()
    db.users.update_one({"_id": 1497}, {"$set": {"version": 1}})
    completed(inbox, 60)
    messages = check(inbox, db)
    assert twice(messages) == []
    assert len(operations(messages, "snapshotStarted")) == 1
    assert worker.stop() == 0
    assert worker.logged("error") == []


def read_by_0_1_0(text: bytes) -> tuple[str, dict[str, Any], int]:
    """Read a position as the code of 0.1.0 did, which takes no other fields within `owner` and no other version."""
    data = json_util.loads(text)
    if data["version"] != 1:
        raise ValueError(f"version {data['version']}")
    owner, token, sequence = data["owner"], data["token"], data["sequence"]
    if owner.keys() != {"instance", "host", "pid"}:
        raise TypeError(f"Owner(**{owner})")
    int(token["_data"][2:10], 16)
    if not isinstance(sequence, int) or sequence < 0:
        raise ValueError(f"sequence {sequence!r}")
    return data["database"], token, sequence
