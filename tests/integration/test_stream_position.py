"""Beginnings of a worker: at the saved position, and without one where `start_from` says."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.records import read_topics
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.kafka.position import POSITION_KEY, load
from watcher.model import token_seconds
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]


def ids(messages: list[Document]) -> list[Any]:
    return [message["documentKey"]["_id"] for message in messages]


def test_after_a_stop_it_goes_on_where_it_was(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    worker = launch(settings)
    for number in range(3):
        worker.start() if number else worker
        worker.reached()
        db.users.insert_one({"_id": f"while it runs {number}"})
        inbox.messages(2 * number + 1)
        assert worker.stop() == 0
        db.users.insert_one({"_id": f"while it is down {number}"})
    worker.start()
    messages = inbox.messages(6)
    assert ids(messages) == [f"while it {what} {number}" for number in range(3) for what in ("runs", "is down")]
    assert [message["sequence"] for message in messages] == [1, 2, 3, 4, 5, 6]


def test_the_first_start_begins_now(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    db.users.insert_one({"_id": "before"})
    launch(settings).reached()
    db.users.insert_one({"_id": "after"})
    assert ids(inbox.messages(1)) == ["after"]


def test_now_is_the_first_start_and_not_the_second(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    """Nothing had happened by the time it was stopped, and yet its beginning is saved."""
    worker = launch(settings)
    worker.reached()
    worker.kill()
    db.users.insert_one({"_id": "between"})
    worker.start()
    assert ids(inbox.messages(1)) == ["between"]


def test_it_can_begin_with_the_oldest_change_there_is(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    db.users.insert_one({"_id": "before"})
    launch(settings | {"start_from": "earliest"}).reached()
    db.users.insert_one({"_id": "after"})
    assert ids(inbox.messages(2)) == ["before", "after"]


def test_it_can_begin_at_a_time(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    db.users.insert_one({"_id": "long before"})
    time.sleep(1.1)  # a start time has whole seconds
    moment = datetime.now(UTC).replace(microsecond=0)
    db.users.insert_one({"_id": "since then"})
    launch(settings | {"start_from": moment.isoformat()}).reached()
    assert ids(inbox.messages(1)) == ["since then"]


def test_where_it_began_counts_only_once(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    db.users.insert_one({"_id": 1})
    worker = launch(settings | {"start_from": "earliest"})
    inbox.messages(1)
    assert worker.stop() == 0
    worker.start()
    worker.reached()
    db.users.insert_one({"_id": 2})
    assert ids(inbox.messages(2)) == [1, 2]


def test_a_position_of_another_database_is_not_used(launch: Launch, settings: Document, database: str) -> None:
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    other = settings | {"mongodb_uri": settings["mongodb_uri"].replace(f"/{database}?", "/another?")}
    second = launch(other)
    assert second.wait() == 78
    [error] = second.logged("error")
    assert f"belongs to database {database}, not to another" in error["event"]
    assert "kafka_client_id of its own" in error["hint"]


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"{}", b"", b'{"version": 1, "database": 1, "sequence": 0, "token": 5, "owner": {}}']
)
def test_a_position_that_cannot_be_read_is_not_guessed(
    garbage: bytes, launch: Launch, settings: Document, kafka: Broker, db: Database[Document]
) -> None:
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    write(kafka, f"{settings['kafka_client_id']}.position", garbage)
    worker.start()
    assert worker.wait() == 80
    assert worker.status["lastError"]["exitCode"] == 80
    assert worker.status["lastError"]["hint"]


def test_a_token_that_mongodb_does_not_know_is_told_of(launch: Launch, settings: Document, kafka: Broker) -> None:
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    topic = f"{settings['kafka_client_id']}.position"
    good = read_topics(kafka.bootstrap, [topic])[-1].json
    write(kafka, topic, json.dumps(good | {"token": {"_data": "8265F0C1A2000000FFFF"}}).encode())
    worker.start()
    assert worker.wait() == 80
    assert "cannot continue after the saved position" in worker.status["lastError"]["message"]


@pytest.mark.parametrize(
    "narrowed", [{"watch_collections": ["users"]}, {"exclude_collections": ["ord*"]}], ids=["watch", "exclude"]
)
def test_a_narrowed_filter_goes_on_at_its_position(
    narrowed: Document, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    """The event of the position is not among those that are wanted now."""
    worker = launch(settings)
    worker.reached()
    db.orders.insert_one({"_id": "last"})
    inbox.messages(1)
    assert worker.stop() == 0
    db.orders.insert_one({"_id": "not wanted"})
    db.users.insert_one({"_id": "after"})
    worker = launch(settings | narrowed)
    assert ids(inbox.messages(2)) == ["last", "after"]
    worker.kill()
    db.users.insert_one({"_id": "then"})
    worker.start()
    messages = inbox.messages(3)
    assert ids(messages) == ["last", "after", "then"]
    assert [message["sequence"] for message in messages] == [1, 2, 3]


def write(kafka: Broker, topic: str, value: bytes) -> None:
    failures: list[Any] = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, value, POSITION_KEY, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(10) == 0
    assert failures == [None]


def test_the_position_topic_is_compacted_and_has_one_partition(launch: Launch, settings: Document, kafka: Broker) -> None:
    from confluent_kafka.admin import ConfigResource, ResourceType

    launch(settings).reached()
    admin = AdminClient(kafka.admin_properties())
    topic = f"{settings['kafka_client_id']}.position"
    assert len(admin.list_topics(topic).topics[topic].partitions) == 1
    [config] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    assert config.result()["cleanup.policy"].value == "compact"


def test_the_position_of_a_quiet_database_moves_with_time(
    launch: Launch, settings: Document, kafka: Broker, db: Database[Document]
) -> None:
    """Writes to other databases move the token; without commits of it the position would fall off the oplog."""
    launch(settings).reached()
    topic = f"{settings['kafka_client_id']}.position"
    first = load(read_topics(kafka.bootstrap, [topic])[-1].value or b"")

    def moved() -> bool:
        db.client[f"{db.name}_other"].users.insert_one({})
        last = load(read_topics(kafka.bootstrap, [topic])[-1].value or b"")
        return token_seconds(last.token or {}) > token_seconds(first.token or {}) and last.sequence == 0

    try:
        eventually(moved, 25, interval_s=1)
    finally:
        db.client.drop_database(f"{db.name}_other")
