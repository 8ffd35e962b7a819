"""The topics of a watcher: created when it starts, with the numbers of its settings."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from pymongo.database import Database

from tests.support.worker import OPERATIONS, Inbox, Launch
from watcher.sandbox.kafka import ApacheKafka, Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]


def partitions(kafka: Broker) -> dict[str, int]:
    topics = AdminClient(kafka.admin_properties()).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in topics.items()}


def test_all_topics_are_there_as_soon_as_it_streams(launch: Launch, settings: Document, kafka: Broker, database: str) -> None:
    worker = launch(settings)
    worker.reached()
    assert {f"{database}.{operation}" for operation in OPERATIONS} <= partitions(kafka).keys()
    assert worker.logged("warning") == []


def test_new_topics_get_the_partitions_of_the_settings(
    launch: Launch, settings: Document, kafka: Broker, inbox: Inbox, db: Database[Document]
) -> None:
    template = f"{db.name}.{{collection}}"
    launch(settings | {"topic_partitions": 3, "topic_replication_factor": 1, "kafka_topic_delete": template}).reached()
    db.users.insert_one({"_id": 1})
    db.users.delete_one({"_id": 1})
    Inbox(kafka.bootstrap, [f"{db.name}.users"]).messages(1)
    made = partitions(kafka)
    assert {made[f"{db.name}.{name}"] for name in ("insert", "update", "control", "users")} == {3}
    assert made[f"{settings['kafka_client_id']}.position"] == 1


def test_topics_that_are_there_stay_as_they_are(launch: Launch, settings: Document, kafka: Broker, database: str) -> None:
    admin = AdminClient(kafka.admin_properties())
    admin.create_topics([NewTopic(f"{database}.insert", 2, 1)])[f"{database}.insert"].result(20)
    launch(settings | {"topic_partitions": 3}).reached()
    assert partitions(kafka)[f"{database}.insert"] == 2


def test_numbers_that_kafka_refuses_are_a_configuration_error(apache: ApacheKafka, launch: Launch, settings: Document) -> None:
    worker = launch(settings | {"topic_replication_factor": 3})
    assert worker.wait() == 78
    [error] = worker.logged("error")
    assert "refuses to create topic" in error["event"]
    assert "topic_replication_factor" in error["hint"]


def test_what_is_too_large_for_kafka_is_told_and_the_rest_delivered(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings).reached()
    db.users.insert_many([{"_id": 1}, {"_id": 2, "text": "x" * 2_000_000}, {"_id": 3}])
    messages = inbox.messages(4)
    assert [(message["operationType"], message["sequence"]) for message in messages] == [
        ("insert", 1),
        ("insert", 2),
        ("deadLetter", 3),
        ("insert", 4),
    ]
    assert messages[1]["truncated"] == ["fullDocument"]


def test_what_is_too_large_ends_the_worker_if_that_is_the_policy(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings | {"on_large_event": "fail"})
    worker.reached()
    db.users.insert_one({"_id": 1})
    inbox.messages(1)
    db.users.insert_one({"_id": 2, "text": "x" * 2_000_000})
    assert worker.wait() == 65
    assert "max.message.bytes" in worker.status["lastError"]["hint"]


@pytest.mark.parametrize("limit", [20_000, 200_000])
def test_a_topic_may_take_less_than_kafkas_clients_put_into_one_request(
    limit: int, apache: ApacheKafka, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    """librdkafka collects up to 1 MB for a partition, and the broker refuses that as a whole."""
    topic = f"{db.name}.insert"
    admin = AdminClient(apache.admin_properties())
    admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": str(limit)})])[topic].result(20)
    assert admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
    launch(settings).reached()
    db.users.insert_many([{"_id": number, "text": "x" * 10_000} for number in range(200)])
    db.users.insert_one({"_id": "large", "text": "x" * limit})
    messages = inbox.messages(202)
    assert [message["operationType"] for message in messages] == ["insert"] * 201 + ["deadLetter"]
