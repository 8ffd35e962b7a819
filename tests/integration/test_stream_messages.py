"""Each kind of change, from a real MongoDB to a real Kafka: format, topic, key, time and partition."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId, UuidRepresentation
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo.database import Database

from tests.support.mongodb_transactions import in_transaction
from tests.support.records import read_messages
from tests.support.worker import Inbox, Launch
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
ENVELOPE = ["operationType", "database", "collection", "documentKey", "timestamp"]
TAIL = ["eventId", "watcher", "sequence"]


def test_each_operation_arrives_on_its_topic_in_the_guides_format(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings).reached()
    _id = ObjectId()
    db.users.insert_one({"_id": _id, "name": "Ada", "tags": ["a", "b"]})
    db.users.update_one({"_id": _id}, {"$set": {"name": "Grace"}, "$unset": {"tags": ""}})
    db.users.replace_one({"_id": _id}, {"name": "Hedy"})
    db.users.delete_one({"_id": _id})

    records = inbox.records(4)
    insert, update, replace, delete = (record.json for record in records)
    assert [record.topic.rpartition(".")[2] for record in records] == ["insert", "update", "update", "delete"]
    assert list(insert) == list(replace) == [*ENVELOPE, "fullDocument", *TAIL]
    assert list(update) == [*ENVELOPE, "fullDocument", "updateDescription", *TAIL]
    assert list(delete) == [*ENVELOPE, *TAIL]
    for record, message in zip(records, (insert, update, replace, delete), strict=True):
        assert message["database"] == db.name
        assert message["collection"] == "users"
        assert message["documentKey"] == {"_id": str(_id)}
        assert message["watcher"] == settings["kafka_client_id"]
        assert record.key == f'"{_id}"'.encode()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message["timestamp"])
        assert datetime.fromisoformat(message["timestamp"]).timestamp() == pytest.approx(record.timestamp_ms / 1000, abs=0.0005)
    assert [message["operationType"] for message in (insert, update, replace, delete)] == ["insert", "update", "replace", "delete"]
    assert insert["fullDocument"] == {"_id": str(_id), "name": "Ada", "tags": ["a", "b"]}
    assert update["updateDescription"]["updatedFields"] == {"name": "Grace"}
    assert update["updateDescription"]["removedFields"] == ["tags"]
    assert replace["fullDocument"] == {"_id": str(_id), "name": "Hedy"}
    assert [message["sequence"] for message in (insert, update, replace, delete)] == [1, 2, 3, 4]


def test_the_kafka_timestamp_is_the_time_of_the_change(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings).reached()
    before = datetime.now(UTC).timestamp() * 1000
    db.users.insert_one({})
    after = datetime.now(UTC).timestamp() * 1000
    [record] = inbox.records(1)
    assert before - 1 <= record.timestamp_ms <= after + 1


def test_the_full_document_of_an_update_whose_document_is_gone_is_null(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    db.users.insert_one({"_id": 1})
    db.users.update_one({"_id": 1}, {"$set": {"name": "Ada"}})
    db.users.delete_one({"_id": 1})
    worker.start()
    _, update, _ = inbox.messages(3)
    assert update["fullDocument"] is None
    assert update["updateDescription"]["updatedFields"] == {"name": "Ada"}


@pytest.mark.parametrize("image", ["off", "whenAvailable"])
def test_the_image_before_the_change(image: str, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    db.create_collection("users", changeStreamPreAndPostImages={"enabled": True})
    launch(settings | {"full_document_before_change": image}).reached()
    db.users.insert_one({"_id": 1, "name": "Ada"})
    db.users.delete_one({"_id": 1})
    delete = inbox.messages(2)[1]
    assert delete.get("fullDocumentBeforeChange") == (None if image == "off" else {"_id": 1, "name": "Ada"})


ODD = {
    "_id": ObjectId("65f0c1a2b3c4d5e6f7a8b9c0"),
    "at": datetime(2024, 1, 1, 12, tzinfo=UTC),
    "price": Decimal128("1.10"),
    "large": Int64(2**53 + 1),
    "ratio": float("nan"),
    "uuid": Binary.from_uuid(uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), UuidRepresentation.STANDARD),
}


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        pytest.param(
            "plain",
            {
                "_id": "65f0c1a2b3c4d5e6f7a8b9c0",
                "at": "2024-01-01T12:00:00.000Z",
                "price": "1.10",
                "large": 2**53 + 1,
                "ratio": None,
                "uuid": "00112233-4455-6677-8899-aabbccddeeff",
            },
            id="plain",
        ),
        pytest.param(
            "extended",
            {
                "_id": {"$oid": "65f0c1a2b3c4d5e6f7a8b9c0"},
                "at": {"$date": "2024-01-01T12:00:00Z"},
                "price": {"$numberDecimal": "1.10"},
                "large": 2**53 + 1,
                "ratio": {"$numberDouble": "NaN"},
                "uuid": {"$binary": {"base64": "ABEiM0RVZneImaq7zN3u/w==", "subType": "04"}},
            },
            id="extended",
        ),
    ],
)
def test_odd_values_in_both_dialects(
    dialect: str, expected: Document, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings | {"json_format": dialect}).reached()
    db.users.insert_one(ODD)
    [message] = inbox.messages(1)
    assert message["fullDocument"] == expected
    assert message["documentKey"] == {"_id": expected["_id"]}


def test_a_transaction_over_several_collections_arrives_whole_and_in_order(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    for name in ("users", "branches"):
        db.create_collection(name)
    launch(settings).reached()
    written = [(name, number) for number in range(50) for name in ("users", "branches")]
    in_transaction(db.client, lambda session: [db[name].insert_one({"_id": number}, session=session) for name, number in written])
    with db.client.start_session() as session, session.start_transaction():
        db.users.delete_one({"_id": 1}, session=session)
        session.abort_transaction()
    db.users.insert_one({"_id": "last"})
    messages = inbox.messages(101)
    assert [(m["collection"], m["documentKey"]["_id"]) for m in messages] == [*written, ("users", "last")]


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_both_deliveries_deliver_everything_in_order(
    delivery: str, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings | {"delivery": delivery, "batch_size": 50})
    worker.reached()
    db.users.insert_many([{"_id": number} for number in range(500)])
    assert [message["documentKey"]["_id"] for message in inbox.messages(500)] == [*range(500)]
    assert worker.stop() == 0
    db.users.insert_one({"_id": "later"})
    worker.start()
    messages = inbox.messages(501)
    assert [message["sequence"] for message in messages] == [*range(1, 502)]


@pytest.fixture
def partitions(kafka: Broker, database: str) -> int:
    """Return the number of partitions of the insert topic, which is there already."""
    admin = AdminClient(kafka.admin_properties())
    for future in admin.create_topics([NewTopic(f"{database}.insert", 5, 1)]).values():
        future.result(20)
    return 5


def test_keys_meet_in_the_partitions_that_java_chooses(
    partitions: int, launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings).reached()
    db.users.insert_many([{"_id": _id} for _id in (*range(30), "ada", "größer", ObjectId(), True, {"a": 1})])
    records = inbox.records(35)
    assert [record.partition for record in records] == [java_partition(record.key or b"", partitions) for record in records]
    assert len({record.partition for record in records}) > 1


def java_partition(key: bytes, partitions: int) -> int:
    """Of org.apache.kafka.common.utils.Utils: `toPositive(murmur2(key)) % partitions`."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if rest := key[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions


def test_the_partitioner_of_this_test_is_javas() -> None:
    """The hashes of Kafka's own UtilsTest.testMurmur2."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    for key, hashed in known.items():
        assert java_partition(key, 2**31) == hashed & 0x7FFFFFFF


def test_a_single_topic_takes_everything(launch: Launch, settings: Document, kafka: Broker, db: Database[Document]) -> None:
    single = {
        key: value
        for key, value in settings.items()
        if key not in ("kafka_topic_insert", "kafka_topic_update", "kafka_topic_delete")
    }
    launch(single | {"kafka_db_changes_topic": f"{db.name}.changes"}).reached()
    db.users.insert_one({"_id": 1})
    db.users.update_one({"_id": 1}, {"$set": {"a": 1}})
    db.users.delete_one({"_id": 1})
    messages = Inbox(kafka.bootstrap, [f"{db.name}.changes"]).messages(3)
    assert [message["operationType"] for message in messages] == ["insert", "update", "delete"]


def test_topics_with_the_collections_name_in_them(
    launch: Launch, settings: Document, kafka: Broker, db: Database[Document]
) -> None:
    template = "{database}.all.{collection}.{operation}"
    launch(settings | dict.fromkeys(["kafka_topic_insert", "kafka_topic_update"], template)).reached()
    db.users.insert_one({"_id": 1})
    db["größer !"].insert_one({"_id": 2})
    db.users.update_one({"_id": 1}, {"$set": {"a": 1}})
    db.users.replace_one({"_id": 1}, {"a": 2})
    topics = [
        f"{db.name}.all.{name}" for name in ("users.insert", "gr_xf6__xdf_er_x20__x21_.insert", "users.update", "users.replace")
    ]
    for topic in topics:
        assert len(Inbox(kafka.bootstrap, [topic]).messages(1)) == 1
    assert [m["sequence"] for m in read_messages(kafka.bootstrap, topics)] == [1, 2, 3, 4]
