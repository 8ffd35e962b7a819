"""Row 16: a change event is larger than MongoDB can give.

Goal: every other event arrives, each once and in order; the large one arrives without its documents, marked as truncated, with a
dead letter after it; or exit 65 by policy. The worker's memory stays bounded, and kill -9 on the way changes nothing. Where the
server splits such events they are joined, and the position after one stays good whatever becomes of its document.
Method: documents of 10 MB with pre-images and updateLookup, so that an update of a small field makes an event of 20 MB; alone,
several in a row, and amid small ones; also an update that is large itself, so that it's too large for Kafka even without them. The
splitting on a real mongod 6.0.27.
"""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.lacking import Summary, summary
from tests.support.mongodb_transactions import in_transaction
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess, watcher_settings
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.splitting_mongod"]

Document = dict[str, Any]

MEGABYTE = 1_000_000
LARGE = "x" * (10 * MEGABYTE)
UNDELIVERABLE = 65
DOCUMENTS = ["fullDocument", "fullDocumentBeforeChange"]
TOO_LARGE_FOR_KAFKA = ["fullDocumentBeforeChange", "fullDocument"]
"""The same where they are left out one after the other until the rest fits."""


@pytest.fixture
def settings(settings: Document, db: Database[Document]) -> Document:
    """With the documents before and after each change."""
    db.create_collection("files", changeStreamPreAndPostImages={"enabled": True})
    return settings | {"full_document_before_change": "whenAvailable"}


def lacking(operation: str, _id: Any, fields: list[str]) -> list[Summary]:
    """Return what arrives of a change that was too large."""
    return [(operation, _id, fields), ("deadLetter", _id, fields)]


def wrote_a_large_document(worker: WorkerProcess, db: Database[Document], inbox: Inbox, _id: Any) -> None:
    """Insert it, which is an event that MongoDB can give and Kafka can't take whole."""
    before = len(inbox.messages())
    db.files.insert_one({"_id": _id, "text": LARGE, "n": 0})
    inbox.messages(before + 2)
    assert worker.reached()


def test_several_in_a_row_amid_small_ones(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings)
    worker.reached()
    wrote_a_large_document(worker, db, inbox, "large")
    expected = lacking("insert", "large", ["fullDocument"])
    for number in range(3):
        small = [f"small {number} {each}" for each in range(5)]
        db.files.insert_many([{"_id": _id} for _id in small])
        expected += [("insert", _id, None) for _id in small]
        for _ in range(number + 1):
            db.files.update_one({"_id": "large"}, {"$inc": {"n": 1}})
            expected += lacking("update", "large", DOCUMENTS)
    db.files.insert_one({"_id": "last"})
    expected.append(("insert", "last", None))
    messages = inbox.messages(len(expected))
    assert summary(messages) == expected
    assert [each["sequence"] for each in messages] == [*range(1, len(messages) + 1)]
    updates = [each for each in messages if each["operationType"] == "update"]
    assert [each["updateDescription"]["updatedFields"] for each in updates] == [{"n": number} for number in range(1, 7)]
    letter = messages[messages.index(updates[0]) + 1]
    assert letter["about"]["eventId"] == updates[0]["eventId"]
    assert letter["about"]["sequence"] == updates[0]["sequence"]
    assert "MongoDB" in letter["reason"]
    assert worker.status["reopens"] == 0
    fault_report.count(faults=7, writes=23, messages=len(messages))
    fault_report.measure(worker.pid)


def test_too_large_for_kafka_even_without_the_documents(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings)
    worker.reached()
    wrote_a_large_document(worker, db, inbox, 1)
    db.files.update_one({"_id": 1}, {"$set": {"text": LARGE.replace("x", "y")}})
    db.files.replace_one({"_id": 1}, {"text": LARGE})
    db.files.delete_one({"_id": 1})
    db.files.insert_one({"_id": 2})
    messages = inbox.messages(9)
    assert summary(messages) == [
        *lacking("insert", 1, ["fullDocument"]),
        *lacking("update", 1, [*DOCUMENTS, "updateDescription"]),
        *lacking("replace", 1, DOCUMENTS),
        *lacking("delete", 1, ["fullDocumentBeforeChange"]),
        ("insert", 2, None),
    ]
    fault_report.count(faults=4, writes=5, messages=len(messages))
    fault_report.measure(worker.pid)


def test_killed_while_it_reads_carefully(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport, rng: Random
) -> None:
    worker = launch(settings)
    worker.reached()
    wrote_a_large_document(worker, db, inbox, "large")
    assert worker.stop() == 0
    expected = lacking("insert", "large", ["fullDocument"])
    for number in range(4):
        db.files.insert_many([{"_id": f"{number} {each}"} for each in range(100)])
        expected += [("insert", f"{number} {each}", None) for each in range(100)]
        db.files.update_one({"_id": "large"}, {"$inc": {"n": 1}})
        expected += lacking("update", "large", DOCUMENTS)
    for _ in range(3):
        worker.start()
        worker.reached()
        time.sleep(rng.uniform(0, 0.5))  # between two large events, most likely
        worker.kill()
        fault_report.count(faults=1)
    worker.start()
    messages = inbox.messages(len(expected))
    assert summary(messages) == expected
    assert [each["sequence"] for each in messages] == [*range(1, len(messages) + 1)]
    fault_report.count(writes=405, messages=len(messages))
    fault_report.measure(worker.pid)


def test_the_policy_fail(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings)
    worker.reached()
    wrote_a_large_document(worker, db, inbox, 1)
    assert worker.stop() == 0
    db.files.update_one({"_id": 1}, {"$inc": {"n": 1}})
    db.files.insert_one({"_id": 2})
    strict = launch(settings | {"on_large_event": "fail"})
    assert strict.wait() == UNDELIVERABLE
    error = strict.status["lastError"]
    assert error["exitCode"] == UNDELIVERABLE
    assert "too large for MongoDB" in error["message"]
    assert 'on_large_event = "dead-letter"' in error["hint"]
    tolerant = launch(settings)  # as the hint says
    messages = inbox.messages(5)
    assert summary(messages) == [
        *lacking("insert", 1, ["fullDocument"]),
        *lacking("update", 1, DOCUMENTS),
        ("insert", 2, None),
    ]
    assert eventually(lambda: tolerant.status["events"]["control"]) == 1
    fault_report.count(faults=1, writes=3, messages=len(messages))


@pytest.fixture
def splitting(splitting: Database[Document]) -> Database[Document]:
    """The database of the same name on a server that splits, with a large document in `files`, which has pre-images."""
    splitting.files.insert_one({"_id": "large", "text": LARGE})
    return splitting


@pytest.fixture
def splitting_settings(splitting_mongo: ReplicaSet, kafka: Broker, database: str) -> Document:
    """A watcher of it."""
    images = {"full_document_before_change": "whenAvailable"}
    return watcher_settings(splitting_mongo.uri(database), kafka.bootstrap, database) | images


def test_where_the_server_splits(
    launch: Launch,
    splitting_settings: Document,
    inbox: Inbox,
    splitting: Database[Document],
    rng: Random,
    fault_report: FaultReport,
) -> None:
    """Parts are left out for Kafka's sake."""
    worker = launch(splitting_settings)
    worker.reached()
    expected = []
    for number in range(4):
        in_transaction(
            splitting.client,
            lambda session, number=number: splitting.files.insert_one({"_id": f"{number} first"}, session=session),
            lambda session: splitting.files.update_one({"_id": "large"}, {"$inc": {"n": 1}}, session=session),
            lambda session, number=number: splitting.files.insert_one({"_id": f"{number} last"}, session=session),
        )
        expected += [("insert", f"{number} first", None), *lacking("update", "large", TOO_LARGE_FOR_KAFKA)]
        expected.append(("insert", f"{number} last", None))
        time.sleep(rng.uniform(0, 0.5))  # in the middle, most likely
        worker.kill()
        worker.start()
    messages = inbox.messages(len(expected))
    assert summary(messages) == expected
    assert [each["sequence"] for each in messages] == [*range(1, len(messages) + 1)]
    letters = [each for each in messages if each["operationType"] == "deadLetter"]
    assert {letter["reason"] for letter in letters} == {"The message was too large for Kafka."}
    fault_report.count(faults=8, writes=12, messages=len(messages))


CHANGES_AFTER: dict[str, Document] = {
    "nothing": {},
    "the setting": {"full_document_before_change": "off"},
    "the filter": {"exclude_collections": ["files"]},
}


@pytest.mark.parametrize("shrinks", [False, True], ids=["", "document-made-small"])
@pytest.mark.parametrize("changed", CHANGES_AFTER.values(), ids=CHANGES_AFTER)
def test_a_position_right_after_a_split_event(
    changed: Document,
    shrinks: bool,
    launch: Launch,
    splitting_settings: Document,
    inbox: Inbox,
    splitting: Database[Document],
    fault_report: FaultReport,
) -> None:
    worker = launch(splitting_settings)
    worker.reached()
    splitting.files.update_one({"_id": "large"}, {"$set": {"n": 1}})
    inbox.messages(2)
    worker.kill()
    if shrinks:
        splitting.files.update_one({"_id": "large"}, {"$set": {"text": ""}})
    splitting.users.insert_one({"_id": "after"})
    launch(splitting_settings | changed).reached()
    expected = lacking("update", "large", TOO_LARGE_FOR_KAFKA)
    if shrinks and "exclude_collections" not in changed:
        lost = ["fullDocumentBeforeChange"] if changed == {} else None
        expected += lacking("update", "large", lost) if lost else [("update", "large", None)]
    expected.append(("insert", "after", None))
    assert summary(inbox.messages(len(expected))) == expected
    fault_report.count(faults=1, writes=2 + shrinks, messages=len(expected))
