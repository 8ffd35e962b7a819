"""Compares what a real worker writes with docs/message.schema.json."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex
from pymongo.database import Database

from tests.support.kafka_topics import delete_topic
from tests.support.schema import faults
from tests.support.worker import Inbox, Launch
from watcher.cli import run_command_line
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]


def test_messages_of_a_worker(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    db.create_collection("users", changeStreamPreAndPostImages={"enabled": True})
    launch(settings | {"full_document_before_change": "whenAvailable"}).reached()
    db.users.insert_one({"_id": 1, "name": "Ada", "tags": [*range(50)], "notes": "x" * 500})
    db.users.update_one({"_id": 1}, [{"$set": {"tags": {"$slice": ["$tags", 5]}, "at": "$$NOW"}}])
    db.users.replace_one({"_id": 1}, {"name": "Grace"})
    db.users.delete_one({"_id": 1})
    db.users.rename("members")
    db.members.drop()
    db.orders.insert_one({"_id": 1})
    db.client.drop_database(db.name)
    messages = inbox.messages(10)
    kinds = [message["operationType"] for message in messages]
    assert kinds == ["insert", "update", "replace", "delete", "rename", "drop", "insert", "drop", "dropDatabase", "invalidate"]
    assert messages[1]["updateDescription"]["truncatedArrays"] == [{"field": "tags", "newSize": 5}]
    assert [faults(message) for message in messages] == [[]] * 10


@pytest.mark.parametrize("json_format", ["plain", "extended"])
def test_messages_with_all_sorts_of_values(
    json_format: str, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings | {"json_format": json_format}).reached()
    values = [ObjectId(), datetime(2024, 1, 1, tzinfo=UTC), Decimal128("1.5"), Int64(2**60), b"raw", Binary(UUID(int=7).bytes, 4)]
    db.users.insert_one({"_id": ObjectId(), "values": [*values, Regex("^a"), float("nan"), None, True, {"a": [1.5]}]})
    db.users.update_one({}, {"$set": {"values.0": Decimal128("7")}, "$unset": {"values.1": 1}})
    db.users.delete_one({})
    messages = inbox.messages(3)
    assert [faults(message) for message in messages] == [[]] * 3


def test_messages_of_snapshots(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], apache: ApacheKafka
) -> None:
    """One of all documents at the first start, one by a choice after a lost position."""
    db.users.insert_many([{"_id": number} for number in range(3)])
    worker = launch(settings | {"snapshot_mode": "initial", "on_position_lost": "snapshot"})
    worker.reached()
    assert [message["operationType"] for message in inbox.messages(6)] == [
        "snapshotStarted", "insert", "insert", "insert", "snapshotCollectionCompleted", "snapshotCompleted",
    ]  # fmt: skip
    assert worker.stop() == 0
    delete_topic(apache, f"{settings['kafka_client_id']}.position")
    chosen = {"snapshot_collections": ["users"], "snapshot_filter": {"users": '{"_id": 1}'}}
    launch(settings | {"on_position_lost": "snapshot", **chosen}).reached()
    messages = inbox.messages(11)
    assert [message["operationType"] for message in messages[6:]] == [
        "gap", "snapshotStarted", "replace", "snapshotCollectionCompleted", "snapshotCompleted",
    ]  # fmt: skip
    assert messages[-1]["filters"] == chosen["snapshot_filter"]
    assert [faults(message) for message in messages] == [[]] * 11


def test_messages_on_what_went_otherwise(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    """A dead letter with the message that it is about, and what a position that is changed by hand leaves in the stream."""
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": 1, "text": "x" * 2_000_000})
    first = inbox.messages(2)[0]["timestamp"]
    assert worker.stop() == 0
    in_conf_d = ["dashboard", "--yes", "--config", str(tmp_path / "conf.d")]
    assert run_command_line(["position", "reset", *in_conf_d]) == 0
    assert run_command_line(["position", "rewind", "--at", first, *in_conf_d]) == 0
    messages = inbox.messages(4)
    assert [message["operationType"] for message in messages] == ["insert", "deadLetter", "gap", "rewind"]
    assert messages[0]["truncated"] == ["fullDocument"]
    assert [faults(message) for message in messages] == [[]] * 4
