"""What a real worker writes is what docs/message.schema.json says."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from tests.support.schema import faults
from tests.support.worker import Inbox, Launch

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
