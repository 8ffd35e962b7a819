"""Row 51: topics whose names collide, and topics whose settings lose or refuse what is written.

Goal: a clear stop or another name; never waiting for ever, and nothing lost in silence.
Method: collections whose names Kafka takes for one; topics that are made, or altered under the worker, as somebody might.
"""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.kafka_topics import add_partitions, alter_topic, create_topic, delete_records, delete_topic
from tests.support.records import read_topics
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.errors import ExitCode
from watcher.kafka.position_topic import POSITION_TOPIC_CONFIG
from watcher.sandbox.kafka import ApacheKafka, Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
ADMIN_SECONDS = 20
END_TIMEOUT_S = 60.0
DAY_MS = 86_400_000


@pytest.fixture
def position_topic(settings: Document) -> str:
    return f"{settings['kafka_client_id']}.position"


@pytest.fixture
def by_collection(settings: Document, database: str) -> Document:
    """A watcher with a topic for each collection."""
    templates = {key: f"{database}.{{collection}}" for key in settings if key.startswith("kafka_topic_") and "control" not in key}
    return settings | templates


def test_collections_that_are_one_to_kafka(
    launch: Launch, by_collection: Document, kafka: Broker, db: Database[Document], fault_report: FaultReport
) -> None:
    """Also after a restart, and when the topic that was first is gone; the sandbox's broker would take both names."""
    worker = launch(by_collection)
    worker.reached()
    db["order_items"].insert_one({"_id": 1})
    db["order.items"].insert_one({"_id": 2})
    first, second = f"{db.name}.order_items", f"{db.name}.order_x2e_items"
    assert [message["collection"] for message in Inbox(kafka.bootstrap, [first]).messages(1)] == ["order_items"]
    assert [message["collection"] for message in Inbox(kafka.bootstrap, [second]).messages(1)] == ["order.items"]
    assert worker.stop() == 0
    delete_topic(kafka, first)
    worker.start().reached()
    db["order.items"].insert_one({"_id": 3})
    db["order_items"].insert_one({"_id": 4})
    assert [message["documentKey"]["_id"] for message in Inbox(kafka.bootstrap, [second]).messages(2)] == [2, 3]
    again = f"{db.name}.order_x5f_items"
    messages = eventually(lambda: Inbox(kafka.bootstrap, topics_of(kafka, {first, again})).messages(1), END_TIMEOUT_S)
    assert [message["documentKey"]["_id"] for message in messages] == [4]
    fault_report.count(faults=2, writes=4, messages=4)


def topics_of(kafka: Broker, names: set[str]) -> list[str]:
    """Those of `names` that exist."""
    return sorted(names & AdminClient(kafka.admin_properties()).list_topics(timeout=ADMIN_SECONDS).topics.keys())


def test_a_topic_of_somebody_else_is_in_the_way_of_a_collections(
    launch: Launch, by_collection: Document, apache: ApacheKafka, db: Database[Document], fault_report: FaultReport
) -> None:
    create_topic(apache, f"{db.name}_users")
    launch(by_collection).reached()
    db.users.insert_one({"_id": 1})
    assert len(Inbox(apache.bootstrap, [f"{db.name}._x75_sers"]).messages(1)) == 1
    fault_report.count(faults=1, writes=1, messages=1)


def test_a_collection_that_is_named_like_the_position_topic(
    launch: Launch, by_collection: Document, kafka: Broker, db: Database[Document], fault_report: FaultReport
) -> None:
    settings = by_collection | {"kafka_client_id": f"{db.name}.x"}
    worker = launch(settings)
    worker.reached()
    db["x.position"].insert_one({"_id": 1})
    assert len(Inbox(kafka.bootstrap, [f"{db.name}.x_x2e_position"]).messages(1)) == 1
    fault_report.count(faults=1, writes=1, messages=1)


def test_the_position_topic_of_another_deployments_watcher(
    launch: Launch, by_collection: Document, apache: ApacheKafka, db: Database[Document], fault_report: FaultReport
) -> None:
    """Neither a collection's topic nor one of the settings may be one."""
    other = f"{db.name}.crm.position"
    create_topic(apache, other, POSITION_TOPIC_CONFIG)
    worker = launch(by_collection)
    worker.reached()
    db["crm.position"].insert_one({"_id": 1})
    assert len(Inbox(apache.bootstrap, [f"{db.name}.crm_x2e_position"]).messages(1)) == 1
    assert worker.stop() == 0
    again = launch(by_collection | {"kafka_topic_control": other, "kafka_client_id": f"{db.name}-again"}, name="again")
    assert_stops(again, ExitCode.CONFIGURATION, other, "keeps its position", "another topic")
    fault_report.count(faults=2, writes=1, messages=1)


def test_a_topic_of_the_settings_that_cannot_be(
    launch: Launch, settings: Document, apache: ApacheKafka, database: str, fault_report: FaultReport
) -> None:
    create_topic(apache, f"{database}_insert")
    worker = launch(settings)
    assert_stops(worker, ExitCode.CONFIGURATION, f"{database}.insert", "another name")
    fault_report.count(faults=1)


def test_out_makes_no_topic_for_each_run(
    launch: Launch, by_collection: Document, kafka: Broker, db: Database[Document], fault_report: FaultReport
) -> None:
    launch(by_collection).reached()
    db.orders.insert_one({"_id": 1})
    for _ in range(2):
        db.orders.aggregate([{"$out": "report"}])
    messages = Inbox(kafka.bootstrap, [f"{db.name}.tmp.agg_out"]).messages(2)
    assert {message["collection"].rpartition(".")[0] for message in messages} == {"tmp.agg_out"}
    told = Inbox(kafka.bootstrap, [by_collection["kafka_topic_control"]]).messages(2)
    assert [(message["operationType"], message["to"]["collection"]) for message in told] == [("rename", "report")] * 2
    topics = AdminClient(kafka.admin_properties()).list_topics(timeout=ADMIN_SECONDS).topics
    assert [name for name in topics if name.startswith(f"{db.name}.tmp")] == [f"{db.name}.tmp.agg_out"]
    fault_report.count(faults=2, writes=1, messages=5)


@pytest.mark.parametrize(
    "config",
    [
        {"cleanup.policy": "compact,delete"},
        {"cleanup.policy": "delete,compact", "retention.ms": "-1", "retention.bytes": "1000000"},
        {"cleanup.policy": "delete"},
        {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "0"},
    ],
    ids=lambda config: ",".join(config.values()),
)
def test_a_position_topic_that_kafka_may_empty(
    config: dict[str, str],
    launch: Launch,
    settings: Document,
    apache: ApacheKafka,
    position_topic: str,
    fault_report: FaultReport,
) -> None:
    create_topic(apache, position_topic, config)
    assert_stops(launch(settings), ExitCode.POSITION_LOST, "Kafka will delete the position", "cleanup.policy=compact")
    fault_report.count(faults=1)


@pytest.mark.parametrize(
    "config",
    [
        {"cleanup.policy": "compact", "retention.ms": "1000"},
        {"cleanup.policy": "compact,delete", "retention.ms": "-1"},
        {"cleanup.policy": "delete", "retention.ms": "-1"},
    ],
    ids=lambda config: ",".join(config.values()),
)
def test_a_position_topic_that_kafka_will_not_empty(
    config: dict[str, str], launch: Launch, settings: Document, apache: ApacheKafka, position_topic: str
) -> None:
    create_topic(apache, position_topic, config)
    launch(settings).reached()


def test_a_position_topic_that_was_emptied_before_a_new_container(
    launch: Launch,
    settings: Document,
    apache: ApacheKafka,
    position_topic: str,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    """Nothing on this host tells that the watcher has delivered before; the topic does, as its first records are gone."""
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": "before"})
    inbox.messages(1)
    assert worker.stop() == 0
    shutil.rmtree(worker.state_dir / "run")
    alter_topic(apache, position_topic, {"cleanup.policy": "delete"})
    delete_records(apache, position_topic)
    alter_topic(apache, position_topic, {"cleanup.policy": "compact"})
    db.users.insert_one({"_id": "meanwhile"})
    assert_stops(worker.start(), ExitCode.POSITION_LOST, "holds no position", "position rewind")
    fault_report.count(faults=1, writes=2, messages=1)


def test_partitions_are_added_to_the_position_topic_of_a_running_worker(
    launch: Launch,
    settings: Document,
    apache: ApacheKafka,
    position_topic: str,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    """All positions stay in the first partition, it is noticed, and nothing is lost on the way back."""
    worker = launch(settings | {"kafka": {"topic.metadata.refresh.interval.ms": 500}})
    worker.reached()
    add_partitions(apache, position_topic, 5)
    number = write_until_it_ends(worker, db)
    assert_stops(worker, ExitCode.POSITION_LOST, "has 5 partitions", "position show dashboard", "position set dashboard")
    assert {record.partition for record in read_topics(apache.bootstrap, [position_topic])} == {0}
    fault_report.count(faults=1, writes=number, messages=len(inbox.messages()))


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_topic_that_takes_no_old_changes(
    delivery: str,
    launch: Launch,
    settings: Document,
    apache: ApacheKafka,
    inbox: Inbox,
    db: Database[Document],
    fault_report: FaultReport,
) -> None:
    """A change that is older than the topic allows never becomes younger."""
    worker = launch(settings | {"delivery": delivery})
    worker.reached()
    assert worker.stop() == 0
    alter_topic(apache, settings["kafka_topic_insert"], {"message.timestamp.before.max.ms": "1000"})
    db.users.insert_one({"_id": 1})
    written = time.monotonic()
    eventually(lambda: time.monotonic() > written + 2.0)
    assert_stops(worker.start(), ExitCode.CONFIGURATION, settings["kafka_topic_insert"], "message.timestamp.before.max.ms")
    alter_topic(apache, settings["kafka_topic_insert"], {"message.timestamp.before.max.ms": str(DAY_MS)})
    worker.start().reached()
    assert [message["sequence"] for message in inbox.messages(1)] == [1]
    fault_report.count(faults=1, writes=1, messages=1)


def write_until_it_ends(worker: WorkerProcess, db: Database[Document]) -> int:
    """Insert documents until it ends, and return how many; each is waited for, so that the worker writes a position after each."""
    for number in range(1, 100_000):
        db.users.insert_one({"_id": number})
        eventually(lambda number=number: worker.ended or worker.status["sequence"] == number, END_TIMEOUT_S)
        if worker.ended:
            return number
    raise AssertionError("it goes on")


def assert_stops(worker: WorkerProcess, code: ExitCode, *words: str) -> None:
    """It ends with `code`, and text or hint hold all the words."""
    assert worker.wait(END_TIMEOUT_S) == code, worker.output
    error = worker.status["lastError"]
    told = f"{error['message']}\n{error['hint']}"
    assert [word for word in words if word not in told] == [], told
