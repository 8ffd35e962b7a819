"""Row 24: the position topic is deleted, not compacted, has several partitions, or holds garbage.

Goal: the worker does not guess where to go on. It exits 80 with advice; with on_position_lost = "restart" it goes on from now,
tells the gap on the control topic, and counts on from a later million, so that no number comes twice.
Method: the topic of a watcher that has delivered is deleted, while the worker is down or runs, altered, or written to by somebody
else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.kafka_topics import add_partitions, alter_topic, delete_topic, write_garbage
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.errors import ExitCode
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
END_TIMEOUT_S = 60.0
NEXT_MILLION = 1_000_000


def spread(kafka: ApacheKafka, topic: str) -> None:
    """Have Kafka spread the topic's records by key."""
    add_partitions(kafka, topic, 3)


def stop_compaction(kafka: ApacheKafka, topic: str) -> None:
    """Have Kafka delete what is old."""
    alter_topic(kafka, topic, {"cleanup.policy": "delete"})


@pytest.fixture
def topic(settings: Document) -> str:
    """The position topic."""
    return f"{settings['kafka_client_id']}.position"


DeliverOne = Callable[..., WorkerProcess]


@pytest.fixture
def deliver_one(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> DeliverOne:
    """`deliver_one(on_position_lost=…)`: a worker that has delivered, so that the lack of a position means its loss."""

    def deliver_one(**changes: str) -> WorkerProcess:
        worker = launch(settings | changes)
        worker.reached()
        db.users.insert_one({"_id": "before"})
        inbox.messages(1)
        eventually(lambda: worker.status["sequence"] == 1)
        return worker

    return deliver_one


FAULTS = pytest.mark.parametrize(
    ("fault", "words", "advice"),
    [
        (delete_topic, "holds no position", "Was the topic deleted? To lose nothing, "),
        (write_garbage, "cannot be read", "Something else has written to the position topic"),
        (stop_compaction, "is not compacted", "--add-config cleanup.policy=compact"),
        (spread, "has 3 partitions", "--partitions 1"),
    ],
)


@FAULTS
def test_it_does_not_start(
    fault: Callable[[ApacheKafka, str], None],
    words: str,
    advice: str,
    deliver_one: DeliverOne,
    apache: ApacheKafka,
    topic: str,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    worker = deliver_one()
    assert worker.stop() == 0
    fault(apache, topic)
    db.users.insert_one({"_id": "meanwhile"})
    worker.start()
    assert worker.wait(END_TIMEOUT_S) == ExitCode.POSITION_LOST, worker.output
    error = worker.status["lastError"]
    assert words in error["message"]
    assert advice in error["hint"]
    assert len(inbox.messages()) == 1
    fault_report.count(faults=1, writes=2, messages=1)


def test_it_ends_when_the_topic_is_deleted_under_it(
    deliver_one: DeliverOne,
    apache: ApacheKafka,
    topic: str,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    """A broker that creates topics by itself would make it anew at once, but not compacted. The worker does not let it."""
    worker = deliver_one()
    delete_topic(apache, topic)
    db.users.insert_one({"_id": "after"})
    assert worker.wait(END_TIMEOUT_S) == ExitCode.POSITION_LOST, worker.output
    assert "holds no position" in worker.status["lastError"]["message"]
    assert worker.status["lastError"]["hint"]
    assert len(inbox.messages()) == 1
    fault_report.count(faults=1, writes=2, messages=1)


@pytest.mark.parametrize("fault", [delete_topic, write_garbage])
def test_it_goes_on_with_a_gap_by_policy(
    fault: Callable[[ApacheKafka, str], None],
    deliver_one: DeliverOne,
    apache: ApacheKafka,
    topic: str,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    worker = deliver_one(on_position_lost="restart")
    assert worker.stop() == 0
    fault(apache, topic)
    db.users.insert_one({"_id": "meanwhile"})
    worker.start()
    worker.reached()
    db.users.insert_one({"_id": "after"})
    before, gap, after = inbox.messages(3)
    assert [before["sequence"], gap["sequence"], after["sequence"]] == [1, NEXT_MILLION + 1, NEXT_MILLION + 2]
    assert (gap["operationType"], after["documentKey"]) == ("gap", {"_id": "after"})
    assert gap["reason"]
    assert gap["to"]
    fault_report.count(faults=1, writes=3, messages=3)


@pytest.mark.parametrize("policy", ["fail", "restart"])
def test_it_is_noticed_on_a_host_with_an_empty_disk(
    policy: str,
    launch: Launch,
    settings: Document,
    deliver_one: DeliverOne,
    tmp_path: Path,
    apache: ApacheKafka,
    topic: str,
    inbox: Inbox,
    fault_report: FaultReport,
) -> None:
    """By its own messages, behind which other offsets are no records: the markers of transactions."""
    worker = deliver_one()
    assert worker.stop() == 0
    delete_topic(apache, topic)
    elsewhere = launch(settings | {"on_position_lost": policy}, state_dir=tmp_path / "elsewhere")
    if policy == "fail":
        assert elsewhere.wait(END_TIMEOUT_S) == ExitCode.POSITION_LOST, elsewhere.output
        assert "holds no position" in elsewhere.status["lastError"]["message"]
    else:
        assert inbox.messages(2)[1]["sequence"] == NEXT_MILLION + 1
    fault_report.count(faults=1, writes=1, messages=1)


def test_it_goes_on_when_the_topic_is_deleted_under_it_by_policy(
    deliver_one: DeliverOne,
    apache: ApacheKafka,
    topic: str,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    worker = deliver_one(on_position_lost="restart")
    delete_topic(apache, topic)
    db.users.insert_one({"_id": "after"})
    messages = inbox.messages(2, timeout_s=END_TIMEOUT_S)
    assert (messages[1]["operationType"], messages[1]["sequence"]) == ("gap", NEXT_MILLION + 1)
    worker.reached()
    db.users.insert_one({"_id": "later"})
    assert inbox.messages(3)[2]["documentKey"] == {"_id": "later"}
    fault_report.count(faults=1, writes=3, messages=3)
