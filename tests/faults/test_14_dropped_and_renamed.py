"""Row 14: collections are dropped and renamed.

Goal: each is a control message in order with the changes around it, also into and out of the watched names, and the stream goes on.
Method: the commands, between writes; then the worker is killed, and its successor goes on behind them.
"""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.oracle import check_sequence
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]


def told(message: Document) -> str:
    """`insert users 1`, `rename users members`, `drop users`."""
    parts = [message["operationType"], message["collection"]]
    if "to" in message:
        parts.append(message["to"]["collection"])
    if "documentKey" in message:
        parts.append(str(message["documentKey"]["_id"]))
    return " ".join(parts)


def test_control_messages_come_in_order(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": 1})
    db.users.rename("members")
    db.members.insert_one({"_id": 2})
    db.members.drop()
    db.members.insert_one({"_id": 3})
    db.users.insert_one({"_id": 4})
    db.users.rename("members", dropTarget=True)
    inbox.messages(7)
    worker.kill()
    db.members.insert_one({"_id": 5})
    worker.start()
    messages = inbox.messages(8)
    assert [told(message) for message in messages] == [
        "insert users 1",
        "rename users members",
        "insert members 2",
        "drop members",
        "insert members 3",
        "insert users 4",
        "rename users members",  # there is no drop for what it replaces
        "insert members 5",
    ]
    check_sequence(messages)
    fault_report.count(faults=4, writes=5, messages=len(messages))


def test_renames_into_and_out_of_the_watched_names(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    launch(settings | {"watch_collections": ["users"], "exclude_collections": ["temp_*"]}).reached()
    db.archive.insert_one({"_id": 1})
    db.archive.rename("users")
    db.users.insert_one({"_id": 2})
    db.users.rename("archive")
    db.archive.insert_one({"_id": 3})
    db.archive.rename("elsewhere")
    db.elsewhere.drop()
    db.users.insert_one({"_id": 4})
    messages = inbox.messages(4)
    assert [told(message) for message in messages] == [
        "rename archive users",
        "insert users 2",
        "rename users archive",
        "insert users 4",
    ]
    check_sequence(messages)
    fault_report.count(faults=4, writes=4, messages=len(messages))
