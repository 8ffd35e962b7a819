"""Row 15: the database is dropped, and used again.

Goal: control messages tell, and the stream goes on by itself with what is written afterwards; with a filter on collections as well,
and for a database that isn't there yet.
Method: dropDatabase between writes, twice in a row without a write between, and while the worker is down.
"""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.oracle import check_sequence
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
FILTERS: dict[str, Document] = {"all": {}, "some": {"watch_collections": ["users"]}}


def operations(messages: list[Document]) -> list[str]:
    return [message["operationType"] for message in messages]


@pytest.mark.parametrize("filtered", FILTERS)
def test_the_stream_goes_on(
    filtered: str, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings | FILTERS[filtered])
    worker.reached()  # of a database that isn't there
    db.client.drop_database(db.name)  # which is no change
    for number in range(3):
        db.users.insert_one({"_id": number})
        db.client.drop_database(db.name)
    db.client.drop_database(db.name)
    db.users.insert_one({"_id": "after"})
    messages = inbox.messages(13)
    assert operations(messages) == ["insert", "drop", "dropDatabase", "invalidate"] * 3 + ["insert"]
    check_sequence(messages)
    assert worker.status["reopens"] == 0
    assert worker.stop() == 0
    fault_report.count(faults=5, writes=4, messages=len(messages))


def test_dropped_while_the_worker_is_down_and_killed_at_the_invalidate(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings | {"batch_size": 1})
    worker.reached()
    db.users.insert_one({"_id": 1})
    inbox.messages(1)
    worker.kill()
    db.client.drop_database(db.name)
    db.users.insert_one({"_id": 2})
    db.client.drop_database(db.name)
    worker.start()
    assert operations(inbox.messages(8)[-3:]) == ["drop", "dropDatabase", "invalidate"]
    worker.kill()  # its position is the invalidate's
    db.users.insert_one({"_id": 3})
    worker.start()
    messages = inbox.messages(9)
    assert operations(messages) == ["insert", "drop", "dropDatabase", "invalidate"] * 2 + ["insert"]
    check_sequence(messages)
    fault_report.count(faults=4, writes=3, messages=len(messages))
