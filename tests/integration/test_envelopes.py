"""Messages in other envelopes on their way into Kafka: keys, headers, tombstones, and the topics that are made for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from pymongo.database import Database

from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.sandbox.kafka import ApacheKafka, Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
SET_BY_FIXTURE = ("kafka_topic_insert", "kafka_topic_update", "kafka_topic_delete", "kafka_db_changes_topic")


@pytest.fixture
def with_envelope(settings: Document) -> Document:
    """Settings without topics for documents, as each envelope has its own."""
    kept = {key: value for key, value in settings.items() if key not in SET_BY_FIXTURE}
    return kept | {"kafka_topic_control": f"{settings['kafka_client_id']}-control"}


def records(kafka: Broker, topic: str, number: int) -> list[Message]:
    """The first records of a topic with one partition, once there are so many."""
    found: list[Message] = []

    def enough() -> bool:
        found.extend(record for record in consumer.consume(100, 0.2) if not record.error())
        return len(found) >= number

    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "none", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        eventually(enough)
    finally:
        consumer.close()
    return found


def told(record: Message) -> Iterator[tuple[str, str]]:
    for name, value in record.headers() or []:
        yield name, value.decode() if isinstance(value, bytes) else str(value)


def write(db: Database[Document]) -> None:
    db.users.insert_one({"_id": 1, "n": 1})
    db.users.update_one({"_id": 1}, {"$set": {"n": 2}})
    eventually(lambda: db.users.find_one({"_id": 1, "n": 2}) is not None)
    db.users.delete_one({"_id": 1})
    db.users.insert_one({"_id": 2})


def test_debezium_with_tombstones_and_a_topic_of_its_own(
    launch: Launch, with_envelope: Document, kafka: Broker, db: Database[Document]
) -> None:
    worker = launch(with_envelope | {"envelope": "debezium", "topic_partitions": 1})
    worker.reached()
    write(db)
    made = records(kafka, f"{db.name}.users", 5)
    values = [json.loads(value) if (value := record.value()) else None for record in made]
    assert [value and value["op"] for value in values] == ["c", "u", "d", None, "c"]
    assert [record.key() for record in made] == [b'{"id":"1"}'] * 4 + [b'{"id":"2"}']
    headers = [dict(told(record)) for record in made]
    assert [each["watcher.sequence"] for each in headers] == ["1", "2", "3", "4", "5"]
    assert [each["watcher.operation"] for each in headers] == ["insert", "update", "delete", "tombstone", "insert"]
    assert headers[2]["watcher.eventId"] == headers[3]["watcher.eventId"]
    assert worker.stop() == 0
    assert worker.status["sequence"] == 5
    db.users.delete_one({"_id": 2})
    again = launch(with_envelope | {"envelope": "debezium", "topic_partitions": 1})
    again.reached()
    assert dict(told(records(kafka, f"{db.name}.users", 7)[6]))["watcher.sequence"] == "7"


def test_a_compacted_topic_of_documents(
    apache: ApacheKafka, launch: Launch, with_envelope: Document, db: Database[Document]
) -> None:
    wanted = {"cleanup.policy": "compact", "min.compaction.lag.ms": 3_600_000}
    launch(with_envelope | {"envelope": "document", "cloudevents": True, "topic_config": wanted, "topic_partitions": 1}).reached()
    write(db)
    made = records(apache, f"{db.name}.users", 4)
    last = {record.key(): record.value() for record in made}
    assert last == {b"1": None, b"2": b'{"_id":2}'}
    assert dict(told(made[0]))["ce_type"] == "watcher.insert"
    topics = {name: config(apache, name) for name in (f"{db.name}.users", with_envelope["kafka_topic_control"])}
    documents, control = topics.values()
    assert (documents["cleanup.policy"], documents["min.compaction.lag.ms"]) == ("compact", "3600000")
    assert control["cleanup.policy"] == "delete"


def config(kafka: Broker, topic: str) -> dict[str, str | None]:
    admin, resource = AdminClient(kafka.admin_properties()), ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(20)
    return {name: entry.value for name, entry in entries.items()}


@pytest.mark.parametrize("property_", [{"cleanup.policy": "sometimes"}, {"no.such.property": "1"}], ids=str)
def test_properties_that_kafka_refuses_are_a_configuration_error(
    apache: ApacheKafka, launch: Launch, settings: Document, property_: dict[str, str]
) -> None:
    worker = launch(settings | {"topic_config": property_})
    assert worker.wait() == 78
    [error] = worker.logged("error")
    assert "refuses to create topic" in error["event"]
    assert "topic_config" in error["hint"]
