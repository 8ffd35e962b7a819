"""MongoDB's sink connector reads what we write: its database ends up equal to the source."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.kafka_connect import KafkaConnect
from tests.support.peers import JSON_CONVERTER, STRING_CONVERTER
from tests.support.waiting import eventually
from tests.support.worker import Launch
from watcher.config.settings import FIELDS
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.connect_fixtures", "tests.support.worker_fixtures"]

pytestmark = pytest.mark.skipif("envelope" not in FIELDS, reason="no envelope but the generic one, which is for no sink")

Document = dict[str, Any]
ARRIVAL_SECONDS = 60.0
WRITES = 300

STRINGS = {"key.converter": STRING_CONVERTER, "value.converter": STRING_CONVERTER}
PLAIN = {
    "key.converter": JSON_CONVERTER,
    "key.converter.schemas.enable": "false",
    "value.converter": JSON_CONVERTER,
    "value.converter.schemas.enable": "false",
    # The key is the `_id` alone, and the sink looks for a field of that name.
    "transforms": "key",
    "transforms.key.type": "org.apache.kafka.connect.transforms.HoistField$Key",
    "transforms.key.field": "_id",
    "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInKeyStrategy",
    "delete.on.null.values": "true",
    "writemodel.strategy": "com.mongodb.kafka.connect.sink.writemodel.strategy.ReplaceOneDefaultStrategy",
}
CDC = "com.mongodb.kafka.connect.sink.cdc"
SINKS: Mapping[str, Mapping[str, str]] = {
    "debezium": {**STRINGS, "change.data.capture.handler": f"{CDC}.debezium.mongodb.ChangeStreamHandler"},
    "mongodb": {**STRINGS, "change.data.capture.handler": f"{CDC}.mongodb.ChangeStreamHandler"},
    "document": PLAIN,
}
"""How the sink is configured for each envelope."""


def sink(envelope: str, uri: str, topic: str, database: str) -> dict[str, str]:
    return {
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "connection.uri": uri,
        "topics": topic,
        "database": database,
        "collection": "items",
        "consumer.override.isolation.level": "read_committed",
        **SINKS[envelope],
    }


def value(chance: random.Random, *, typed: bool) -> Any:
    """A value of any type; without `typed`, one that JSON has too."""
    plain = [chance.randrange(10**6), chance.random(), "text", True, None, {"a": {"b": [1, 2]}}, ["x", {"y": 1}]]
    at = datetime(2024, 1, 1, 12, 0, chance.randrange(60), tzinfo=UTC)
    types = [ObjectId(), at, Int64(2**53 + 1), Decimal128("1.10"), Binary(b"abc"), Binary(bytes(16), 4), float("inf")]
    return chance.choice([*plain, *types] if typed else plain)


def change(items: Any, ids: list[Any], chance: random.Random, *, typed: bool) -> None:
    """One random write to one of the documents."""
    which, content = {"_id": chance.choice(ids)}, value(chance, typed=typed)
    match chance.randrange(5):
        case 0:
            items.replace_one(which, {"replaced": content}, upsert=True)
        case 1:
            items.update_one(which, {"$set": {"v": content, "nested.deep": content}, "$unset": {"old": ""}}, upsert=True)
        case 2:
            items.update_one(which, {"$push": {"list": content}}, upsert=False)
        case 3:
            items.update_one(which, [{"$set": {"list": {"$slice": [{"$ifNull": ["$list", []]}, 1]}}}])
        case _:
            items.delete_one(which)


def content(db: Database[Document]) -> list[Document]:
    return sorted(db["items"].find(), key=repr)


@pytest.mark.parametrize("envelope", SINKS)
def test_a_sink_ends_up_with_what_the_source_has(
    envelope: str, connect: KafkaConnect, apache: ApacheKafka, mongo: ReplicaSet, mongo_client: MongoClient[Document],
    db: Database[Document], launch: Launch, prefix: str,
) -> None:  # fmt: skip
    """A snapshot, random writes and deletes."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, typed = random.Random(seed), envelope != "document"
    ids = [f"id {number}" for number in range(20)] + ([ObjectId() for _ in range(10)] if typed else [])
    db["items"].insert_many([{"_id": id_, "old": value(chance, typed=typed)} for id_ in ids])
    topics = {"kafka_db_changes_topic": f"{prefix}.{{database}}.{{collection}}", "kafka_topic_control": f"{prefix}.control"}
    settings = {"mongodb_uri": mongo.uri(db.name), "kafka_brokers": apache.bootstrap, "kafka_client_id": f"{prefix}-watcher"}
    launch({**settings, **topics, "envelope": envelope, "snapshot_mode": "initial"}).reached()
    copy = mongo_client[f"{prefix}_copy"]
    connect.put(f"sink-{prefix}", sink(envelope, mongo.uri(), f"{prefix}.{db.name}.items", copy.name))
    try:
        for _ in range(WRITES):
            change(db["items"], ids, chance, typed=typed)
        db["items"].insert_one({"_id": "last"})

        def equal() -> bool:
            assert connect.runs(f"sink-{prefix}")
            assert content(copy) == content(db)
            return True

        eventually(equal, ARRIVAL_SECONDS, interval_s=0.3)
    finally:
        connect.remove(f"sink-{prefix}")
        mongo_client.drop_database(copy.name)
