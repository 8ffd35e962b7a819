"""Row 48: the user's pipeline or transform fails: refused, raising, hanging, slow, or returning nonsense.

Goal: a stage that takes what is needed, or that MongoDB refuses, ends the worker at its start, with the stage's name. What fails on
some documents ends it with 65, or is put aside as a dead letter: then all other changes arrive, each once, in order and without a
gap in their numbers. A transform that hangs ends the process, and its successor knows at which change.
Method: documents that tell the stages and the function what to do.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

CONFIGURATION, UNDELIVERABLE = 78, 65
DIVIDED = {"$set": {"fullDocument.half": {"$divide": [{"$toDouble": "$fullDocument.n"}, 2]}}}

OBEYS = """\
import re, time

def obey(message):
    document = message.get("fullDocument") or {}
    order = document.get("order")
    if order == "raise":
        raise ValueError(document)
    if order == "nonsense":
        return [document]
    if order == "drop":
        return None
    if order == "hang":
        re.match(r"(a+)+$", "a" * 60 + "b")
    while order == "loop":
        pass
    if order == "slow":
        time.sleep(0.05)
    if order == "route":
        message["topic"] = document["topic"]
    document["seen"] = True
    return message
"""


@pytest.fixture
def transformed(settings: Document, tmp_path: Path) -> Document:
    """With a transform that does what documents say."""
    (tmp_path / "obeys.py").write_text(OBEYS)
    return settings | {"transform": "obeys:obey", "transform_seconds": 1}


def ids(messages: list[Document]) -> list[tuple[str, Any]]:
    """Of each message the operation, and the document it is about."""
    return [(each["operationType"], each.get("documentKey", {}).get("_id")) for each in messages]


def numbered(messages: list[Document]) -> bool:
    return [each["sequence"] for each in messages] == [*range(1, len(messages) + 1)]


def obeyed(db: Database[Document], *orders: str) -> None:
    db.orders.insert_many([{"_id": number, "order": order, "secret": "hidden"} for number, order in enumerate(orders)])


@pytest.mark.parametrize(
    ("pipeline", "text"),
    [
        ('[{"$project": {"fullDocument": 1}}]', "stage 1 ($project): leaves out operationType"),
        ('[{"$match": {"fullDocument.n": {"$gtt": 1}}}]', "stage 1 ($match): MongoDB does not take it"),
    ],
    ids=["takes what is needed", "refused by MongoDB"],
)
def test_bad_stages_are_refused_at_the_start(
    pipeline: str, text: str, launch: Launch, settings: Document, fault_report: FaultReport
) -> None:
    worker = launch(settings | {"pipeline": pipeline})
    assert worker.wait() == CONFIGURATION
    assert text in worker.output
    fault_report.count(faults=1)


def test_a_pipeline_that_fails_on_some_documents(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    strict = settings | {"pipeline": json.dumps([DIVIDED])}
    worker = launch(strict)
    worker.reached()
    db.orders.insert_many([{"_id": 1, "n": 2}, {"_id": 2, "n": "hidden"}, {"_id": 3, "n": 4}])
    assert worker.wait() == UNDELIVERABLE
    error = worker.status["lastError"]
    assert '{"_id": 2} in orders' in error["message"]
    assert "on_transform_error" in error["hint"]
    tolerant = launch(strict | {"on_transform_error": "dead-letter"})
    inbox.messages(3)
    tolerant.kill()  # the position may be that of the event on which the pipeline fails
    db.orders.insert_many([{"_id": 4, "n": "hidden"}, {"_id": 5, "n": 6}])
    tolerant.start()
    messages = inbox.messages(5)
    assert ids(messages) == [("insert", 1), ("deadLetter", None), ("insert", 3), ("deadLetter", None), ("insert", 5)]
    assert numbered(messages)
    assert {each["reason"] for each in messages if "reason" in each} == {"The pipeline failed."}
    assert "hidden" not in worker.output + tolerant.output + str(messages)
    fault_report.count(faults=3, writes=5, messages=5)


def test_a_stage_that_takes_the_document_leaves_a_tombstone(
    launch: Launch, settings: Document, db: Database[Document], inbox: Inbox, fault_report: FaultReport
) -> None:
    topic, control = f"{db.name}.{{collection}}", f"{db.name}-control"
    topics = dict.fromkeys(("kafka_topic_insert", "kafka_topic_update", "kafka_topic_delete"), topic)
    shape = {"envelope": "document", "pipeline": '[{"$unset": "fullDocument"}]', "kafka_topic_control": control}
    worker = launch(settings | topics | shape)
    worker.reached()
    obeyed(db, "", "")
    db.orders.update_one({"_id": 1}, {"$set": {"n": 1}})
    copy = Inbox(inbox.bootstrap, [f"{db.name}.orders"])
    assert eventually(lambda: worker.status["messagesCommitted"] == 3)
    assert sorted((each.key, each.value) for each in copy.read(30.0)) == [(b"0", None), (b"1", None), (b"1", None)]
    fault_report.count(faults=1, writes=3, messages=3)


def test_a_transform_that_fails(
    launch: Launch, transformed: Document, inbox: Inbox, db: Database[Document], kafka: Broker, fault_report: FaultReport
) -> None:
    topic = f"{db.name}.routed"
    worker = launch(transformed | {"on_transform_error": "dead-letter"})
    worker.reached()
    obeyed(db, "", "raise", "slow", "nonsense", "drop", "")
    db.orders.insert_one({"_id": "far", "order": "route", "topic": topic})
    db.orders.insert_one({"_id": "bad topic", "order": "route", "topic": "a b"})
    db.orders.drop()
    everything = Inbox(inbox.bootstrap, [*inbox.topics, topic])
    messages = everything.messages(8)
    letter = ("deadLetter", None)
    inserts = [("insert", 0), letter, ("insert", 2), letter, ("insert", 5), ("insert", "far"), letter]
    assert ids(messages) == [*inserts, ("drop", None)]
    assert numbered(messages)
    assert all(each["fullDocument"]["seen"] for each in messages if each["operationType"] == "insert")
    letters = [each for each in messages if each["operationType"] == "deadLetter"]
    assert "hidden" not in worker.output + str(letters)
    assert ids(Inbox(inbox.bootstrap, [topic]).messages(1)) == [("insert", "far")]
    assert eventually(lambda: worker.status["events"]["control"] == 4)
    fault_report.count(faults=4, writes=9, messages=8)


def test_a_topic_that_serves_something_else_is_no_topic_for_a_message(
    launch: Launch, transformed: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    client_id = transformed["kafka_client_id"]
    another = launch(transformed | {"kafka_client_id": f"{client_id}-b"}, name="another")
    another.reached()
    another.stop()
    worker = launch(transformed | {"on_transform_error": "dead-letter"})
    worker.reached()
    good = f"{db.name}.routed"
    refused = [f"{client_id}.position", f"{client_id}_position", f"{client_id}-b.position", good.replace(".", "_")]
    db.orders.insert_many([{"_id": n, "order": "route", "topic": topic} for n, topic in enumerate([good, *refused, good])])
    messages = Inbox(inbox.bootstrap, [*inbox.topics, good]).messages(len(refused) + 2)
    assert ids(messages) == [("insert", 0), *[("deadLetter", None)] * len(refused), ("insert", len(refused) + 1)]
    assert numbered(messages)
    assert all(topic in worker.output for topic in refused)
    fault_report.count(faults=len(refused), writes=len(refused) + 2, messages=len(refused) + 2)


def test_a_transform_that_fails_ends_the_worker_until_it_is_corrected(
    launch: Launch, transformed: Document, inbox: Inbox, db: Database[Document], tmp_path: Path, fault_report: FaultReport
) -> None:
    worker = launch(transformed)
    worker.reached()
    obeyed(db, "", "raise", "")
    assert worker.wait() == UNDELIVERABLE
    error = worker.status["lastError"]
    assert "The transform obeys:obey raised ValueError at obeys.py:7" in error["message"]
    assert "hidden" not in worker.output
    (tmp_path / "obeys.py").write_text(OBEYS.replace("raise ValueError(document)", "return message"))
    worker.start()
    messages = inbox.messages(3)
    assert ids(messages) == [("insert", 0), ("insert", 1), ("insert", 2)]
    assert numbered(messages)
    fault_report.count(faults=1, writes=3, messages=3)


def hung(worker: WorkerProcess) -> bool:
    return worker.wait(60) == -signal.SIGPROF


def test_a_transform_that_hangs(
    launch: Launch, transformed: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(transformed | {"on_transform_error": "dead-letter"})
    worker.reached()
    obeyed(db, "", "hang", "")
    assert hung(worker)
    worker.start()  # as supervisord does
    messages = inbox.messages(3)
    assert ids(messages) == [("insert", 0), ("deadLetter", None), ("insert", 2)]
    assert numbered(messages)
    eventually(lambda: any("obeys.py" in line.get("traceback", "") for line in worker.logged("error")))
    db.orders.insert_one({"_id": 3, "order": "hang"})
    assert hung(worker)
    strict = launch(transformed)
    assert strict.wait() == UNDELIVERABLE
    assert "did not return within 1 s" in strict.status["lastError"]["message"]
    fault_report.count(faults=2, writes=4, messages=3)


def test_a_transform_that_hangs_again_and_again(
    launch: Launch, transformed: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    orders = ["", "loop", "hang", "", "loop", "loop", "hang", ""]
    hangs = sum(order != "" for order in orders)
    worker = launch(transformed | {"on_transform_error": "dead-letter"})
    worker.reached()
    obeyed(db, *orders)
    for _ in range(hangs):
        assert hung(worker)
        worker.start()  # as supervisord does
    messages = inbox.messages(len(orders))
    assert ids(messages) == [("deadLetter", None) if order else ("insert", number) for number, order in enumerate(orders)]
    assert numbered(messages)
    db.orders.insert_one({"_id": "last", "order": ""})
    assert ids(inbox.messages(len(orders) + 1))[-1] == ("insert", "last")
    status = worker.status
    assert status["restarts"] == hangs
    assert "did not return within 1 s" in status["lastError"]["message"]
    assert "delivered nothing; waiting" not in worker.output
    fault_report.count(faults=hangs, writes=len(orders) + 1, messages=len(orders) + 1)


def test_a_transform_that_is_not_there(launch: Launch, settings: Document, fault_report: FaultReport) -> None:
    worker = launch(settings | {"transform": "no_such_module:f"})
    assert worker.wait() == CONFIGURATION
    assert "transform: module no_such_module cannot be imported" in worker.output
    fault_report.count(faults=1)
