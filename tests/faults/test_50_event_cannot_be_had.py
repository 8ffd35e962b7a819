"""Row 50: an event that MongoDB cannot give, with an `_id` of any kind, also inside a transaction.

Goal: the policy holds for each. The large event arrives without its documents and with a dead letter, every other one as ever, each
once and in order, also when the worker is killed on the way; or exit 65 by policy, naming the event, after those before it.
Method: updates that set 9 MB, so that an event is 18 MB, of documents whose `_id` is cut or not named at all in the server's error;
alone, and several in a transaction amid small ones; and a reply that is too large only as a whole. More kinds, without Kafka, are
in tests/integration/test_large_events.py.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.lacking import Summary, summary
from tests.support.mongodb_transactions import in_transaction
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
Db = Database[Document]

LARGE = "x" * 9_000_000
UNDELIVERABLE = 65
IDS = [
    str(uuid.UUID(int=2**127 + 1)),
    "someone.with.a.long.name@department.example.org",
    "x" * 35,
    "x" * 100_000,
    {"tenant": "a" * 60, "number": 1},
    7,
]


def lacking(_id: Any, *more: str) -> list[Summary]:
    """Return what arrives of an update that was too large."""
    return [("update", _id, ["fullDocument", *more]), ("deadLetter", _id, ["fullDocument", *more])]


def check_numbers(messages: list[Document]) -> None:
    assert [each["sequence"] for each in messages] == [*range(1, len(messages) + 1)]


def wrote_large_documents(db: Db, *ids: Any) -> None:
    """Of 16 MB each, before any worker streams; each event that has one looked up twice is too large."""
    for _id in ids:
        db.files.insert_one({"_id": _id, "a": LARGE})


def inserted(db: Db, _id: Any) -> Callable[[ClientSession], object]:
    return lambda session: db.files.insert_one({"_id": _id}, session=session)


def grown(db: Db, _id: Any) -> Callable[[ClientSession], object]:
    return lambda session: db.files.update_one({"_id": _id}, {"$inc": {"n": 1}}, session=session)


def test_ids_of_any_kind(launch: Launch, settings: Document, inbox: Inbox, db: Db, fault_report: FaultReport) -> None:
    db.files.insert_many([{"_id": _id} for _id in IDS])
    worker = launch(settings)
    worker.reached()
    expected: list[Summary] = []
    for number, _id in enumerate(IDS):
        db.files.update_one({"_id": _id}, {"$set": {"a": LARGE}})
        db.files.insert_one({"_id": f"small {number}"})
        expected += [*lacking(_id, "updateDescription"), ("insert", f"small {number}", None)]
    messages = inbox.messages(len(expected))
    assert summary(messages) == expected
    check_numbers(messages)
    assert worker.status["reopens"] == 0
    fault_report.count(faults=len(IDS), writes=2 * len(IDS), messages=len(messages))
    fault_report.measure(worker.pid)


@pytest.mark.parametrize("kills", [0, 4], ids=["", "killed"])
def test_inside_transactions(
    kills: int, launch: Launch, settings: Document, inbox: Inbox, db: Db, rng: Random, fault_report: FaultReport
) -> None:
    ids = [str(uuid.UUID(int=2**127 + number)) for number in range(2)]
    db.create_collection("files", changeStreamPreAndPostImages={"enabled": True})
    wrote_large_documents(db, *ids)
    worker = launch(settings | {"full_document_before_change": "whenAvailable"})
    worker.reached()
    assert worker.stop() == 0
    expected: list[Summary] = []
    for number in range(4):
        names = [rng.choice([*ids, f"{number} {each}"]) for each in range(5)]
        in_transaction(db.client, *(grown(db, _id) if _id in ids else inserted(db, _id) for _id in names))
        for _id in names:
            expected += lacking(_id, "fullDocumentBeforeChange") if _id in ids else [("insert", _id, None)]
        db.files.insert_one({"_id": f"after {number}"})
        expected.append(("insert", f"after {number}", None))
    for _ in range(kills):
        worker.start()
        worker.reached()
        time.sleep(rng.uniform(0, 0.5))  # between two large events, most likely
        worker.kill()
    worker.start()
    messages = inbox.messages(len(expected))
    assert summary(messages) == expected
    check_numbers(messages)
    fault_report.count(faults=kills + sum(operation == "deadLetter" for operation, _, _ in expected), messages=len(messages))
    fault_report.count(writes=24)
    fault_report.measure(worker.pid)


def test_a_reply_that_is_too_large(launch: Launch, settings: Document, inbox: Inbox, db: Db, fault_report: FaultReport) -> None:
    """A hundred events of 167 kB just fit into one, but for the token after them: MongoDB closes the connection, each time."""
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    ids = [f"{number:02}" + "k" * 40_000 for number in range(100)]
    db.files.insert_many([{"_id": _id, "a": "x" * 7_000} for _id in ids])
    worker.start()
    messages = inbox.messages(100)
    assert summary(messages) == [("insert", _id, None) for _id in ids]
    eventually(lambda: worker.status["reopens"] == 1)
    fault_report.count(faults=1, writes=100, messages=100)


def test_the_policy_fail(launch: Launch, settings: Document, inbox: Inbox, db: Db, fault_report: FaultReport) -> None:
    _id = IDS[0]
    db.files.insert_one({"_id": _id})
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    in_transaction(
        db.client,
        inserted(db, "before"),
        lambda session: db.files.update_one({"_id": _id}, {"$set": {"a": LARGE}}, session=session),
    )
    strict = launch(settings | {"on_large_event": "fail"})
    assert strict.wait() == UNDELIVERABLE
    error = strict.status["lastError"]
    assert f'the update of {{"_id": "{_id}"}} in files' in error["message"]
    assert LARGE[:10] not in error["message"]
    assert summary(inbox.messages()) == [("insert", "before", None)]
    launch(settings).reached()  # as the hint says
    assert summary(inbox.messages(3)) == [("insert", "before", None), *lacking(_id, "updateDescription")]
    fault_report.count(faults=1, writes=2, messages=3)


def test_a_key_that_is_too_large(launch: Launch, settings: Document, inbox: Inbox, db: Db, fault_report: FaultReport) -> None:
    """Nothing can be told of such a document; with its collection left out, the others' changes go on from there."""
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": "before"})
    inbox.messages(1)
    db.files.insert_one({"_id": "k" * 6_000_000})
    assert worker.wait(60) == UNDELIVERABLE
    error = worker.status["lastError"]
    assert "exclude_collections" in error["hint"]
    assert "kkk" not in error["message"]
    db.users.insert_one({"_id": "after"})
    launch(settings | {"exclude_collections": ["files"]}).reached()
    assert summary(inbox.messages(2)) == [("insert", "before", None), ("insert", "after", None)]
    fault_report.count(faults=1, writes=3, messages=2)
