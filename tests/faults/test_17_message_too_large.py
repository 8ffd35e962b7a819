"""Row 17: a message is larger than Kafka takes.

Goal: it arrives without its document, marked as truncated, with a dead letter after it in the same transaction; or exit 65 by
policy. It is never silently missing, and all others arrive.
Method: documents of 2 MB, in a stream of small ones, with a limit of 1 MB; a topic whose own limit is below the broker's; keys that
alone are too large.
"""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.kafka_topics import create_topic
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

LARGE = "x" * 2_000_000
SMALL_LIMIT = 100_000
UNDELIVERABLE = 65


@pytest.mark.parametrize(("own_limit", "size"), [(None, 2_000_000), (SMALL_LIMIT, SMALL_LIMIT)])
def test_it_arrives_without_its_document(
    own_limit: int | None,
    size: int,
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    db: Database[Document],
    apache: ApacheKafka,
    fault_report: FaultReport,
) -> None:
    if own_limit:
        create_topic(apache, settings["kafka_topic_insert"], {"max.message.bytes": str(own_limit)})
    worker = launch(settings)
    worker.reached()
    for number in range(5):
        small = [{"_id": f"{number} {each}", "text": "x" * 1_000} for each in range(200)]
        db.users.insert_many([*small[:100], {"_id": number, "text": "x" * size}, *small[100:]])
    messages = inbox.messages(5 * 202)
    assert [message["sequence"] for message in messages] == [*range(1, 5 * 202 + 1)]
    for number in range(5):
        part = messages[202 * number : 202 * (number + 1)]
        row, letter = part.pop(100), part.pop(100)
        assert [message["documentKey"]["_id"] for message in part] == [f"{number} {each}" for each in range(200)]
        assert not any("truncated" in message for message in part)
        assert (row["documentKey"], row["truncated"], "fullDocument" in row) == ({"_id": number}, ["fullDocument"], False)
        assert letter["operationType"] == "deadLetter"
        assert letter["about"]["sequence"] == row["sequence"]
        assert letter["about"]["eventId"] == row["eventId"]
        assert letter["bytes"] > size
    fault_report.count(faults=5, writes=5 * 201, messages=len(messages))
    fault_report.measure(worker.pid)


def test_the_policy_fail(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings | {"on_large_event": "fail"})
    worker.reached()
    db.users.insert_many([{"_id": 1}, {"_id": 2, "text": LARGE}, {"_id": 3}])
    assert worker.wait() == UNDELIVERABLE
    error = worker.status["lastError"]
    assert error["exitCode"] == UNDELIVERABLE
    assert "2" in error["message"]
    assert settings["kafka_topic_insert"] in error["message"]
    assert "max.message.bytes" in error["hint"]
    tolerant = launch(settings)  # the other thing that the hint says
    messages = inbox.messages(4)
    assert [message["operationType"] for message in messages] == ["insert", "insert", "deadLetter", "insert"]
    assert eventually(lambda: tolerant.status["events"]["control"]) == 1
    fault_report.count(faults=1, writes=3, messages=len(messages))


@pytest.mark.parametrize("policy", ["dead-letter", "fail"])
def test_a_key_that_is_too_large(
    policy: str, launch: Launch, settings: Document, db: Database[Document], fault_report: FaultReport
) -> None:
    """Neither message nor dead letter nor position can be written, for each holds the key: it stops under either policy."""
    worker = launch(settings | {"on_large_event": policy})
    worker.reached()
    db.users.insert_one({"_id": LARGE})
    assert worker.wait() == UNDELIVERABLE
    error = worker.status["lastError"]
    assert "too large" in error["message"]
    assert len(error["message"]) < 1000
    fault_report.count(faults=1, writes=1)


def test_a_position_that_is_too_large(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], apache: ApacheKafka, fault_report: FaultReport
) -> None:
    """The messages' topics were given room for a long key, but the position, which holds it twice as long, was forgotten."""
    for operation in ("insert", "control"):
        create_topic(apache, settings[f"kafka_topic_{operation}"], {"max.message.bytes": str(3 * len(LARGE))})
    worker = launch(settings | {"kafka": {"message.max.bytes": str(3 * len(LARGE))}})
    worker.reached()
    db.users.insert_one({"_id": LARGE[:700_000]})
    assert worker.wait() == UNDELIVERABLE
    error = worker.status["lastError"]
    assert "position" in error["message"]
    assert f"max.message.bytes of {settings['kafka_client_id']}.position" in error["hint"]
    assert inbox.messages() == []
    fault_report.count(faults=1, writes=1)
