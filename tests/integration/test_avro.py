"""Messages in Avro, from a worker and a real registry to confluent-kafka's own reader and to all of ours."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.records import Record, read_topics
from tests.support.registry import Apicurio, ConfluentReader
from tests.support.waiting import eventually
from tests.support.worker import Launch, WorkerProcess
from watcher.cli import run_command_line
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer
from watcher.messages.serializations.avro_schemas import SCHEMAS
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.registry_fixtures"]

Document = dict[str, Any]
OTHERS = ("document", "debezium", "mongodb")


def in_avro(settings: Document, registry: Apicurio, **changes: Any) -> Document:
    return settings | {"serialization": "avro", "schema_registry": {"url": registry.url}} | changes


def in_an_envelope(settings: Document, registry: Apicurio, envelope: str) -> Document:
    """Settings with a topic for each collection, whose subjects nobody knows beforehand."""
    name = settings["kafka_client_id"].removesuffix("-watcher")
    kept = {key: value for key, value in settings.items() if not key.startswith("kafka_topic")}
    return in_avro(kept, registry, envelope=envelope, kafka_topic_control=f"control-{name}", topic_partitions=1)


def write(db: Database[Document], worker: WorkerProcess) -> None:
    """Four changes of a document, which the worker looks up while it is there."""
    before = worker.status.get("sequence", 0)
    db.users.insert_one({"_id": 1, "n": 1, "roles": ["a"]})
    db.users.update_one({"_id": 1}, {"$set": {"n": 2}, "$unset": {"roles": 1}})
    delivered(worker, before + 2)
    db.users.replace_one({"_id": 1}, {"né": None})
    db.users.delete_one({"_id": 1})


def delivered(worker: WorkerProcess, count: int) -> None:
    eventually(lambda: worker.status.get("sequence") == count)


def messages(kafka: Broker, db: Database[Document], count: int, topics: list[str]) -> list[Record]:
    def enough() -> list[Record]:
        found = read_topics(kafka.bootstrap, topics)
        assert len(found) == count
        return sorted(found, key=lambda record: record.offset)

    return eventually(enough)


def test_generic_messages_by_every_reader(
    launch: Launch,
    settings: Document,
    kafka: Broker,
    db: Database[Document],
    registry: Apicurio,
    reader: ConfluentReader,
    capfdbinary: Any,
) -> None:
    db.users.insert_one({"_id": 0})
    worker = launch(in_avro(settings, registry, snapshot_mode="initial"))
    worker.reached()
    delivered(worker, 4)
    write(db, worker)
    db.users.drop()
    delivered(worker, 9)
    topics = [value for key, value in settings.items() if key.startswith("kafka_topic")]
    found = {record.json["sequence"]: record for record in map(reader.as_json, read_topics(kafka.bootstrap, topics))}
    assert [found[number].json["operationType"] for number in range(1, 10)] == [
        "snapshotStarted", "insert", "snapshotCollectionCompleted", "snapshotCompleted",
        "insert", "update", "replace", "delete", "drop",
    ]  # fmt: skip
    assert found[4].json["documents"] == 1
    assert found[6].json["updateDescription"]["removedFields"] == ["roles"]
    assert found[7].json["fullDocument"] == {"_id": 1, "né": None}
    assert found[8].key == b"1"
    subjects = registry.ask("GET", "/apis/ccompat/v7/subjects")
    assert {f"{topic}-{part}" for topic in topics for part in ("key", "value")} <= {*subjects}
    with_config = ["--config", str(worker.conf_dir), "--state-dir", str(worker.state_dir)]
    capfdbinary.readouterr()
    assert run_command_line(["tail", "dashboard", "--json", "-n", "20", *with_config]) == 0
    told = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert told == [found[number].json for number in range(1, 10)]
    assert run_command_line(["verify", "dashboard", *with_config]) == 0
    assert run_command_line(["position", "rewind", "dashboard", "--yes", "--at", found[5].json["timestamp"], *with_config]) == 0
    delivered_again = eventually(
        lambda: [r for r in read_topics(kafka.bootstrap, topics) if reader.value(r)["operationType"] == "rewind"]
    )
    assert json.loads(reader.value(delivered_again[0])["control"])["reason"].startswith("The position was changed by hand")


@pytest.mark.parametrize("envelope", OTHERS)
def test_other_envelopes(
    envelope: str,
    launch: Launch,
    settings: Document,
    kafka: Broker,
    db: Database[Document],
    registry: Apicurio,
    reader: ConfluentReader,
) -> None:
    worker = launch(in_an_envelope(settings, registry, envelope))
    worker.reached()
    write(db, worker)
    made = messages(kafka, db, 5 if envelope == "debezium" else 4, [f"{db.name}.users"])
    values, keys = [reader.value(record) for record in made], [reader.key(record) for record in made]
    assert keys == [keys[0]] * len(keys)
    if envelope == "document":
        assert [value and json.loads(value["document"]) for value in values] == [
            {"_id": 1, "n": 1, "roles": ["a"]},
            {"_id": 1, "n": 2},
            {"_id": 1, "né": None},
            None,
        ]
    elif envelope == "debezium":
        assert keys[0] == {"id": "1"}
        assert [value and value["op"] for value in values] == ["c", "u", "u", "d", None]
        assert values[1]["updateDescription"]["removedFields"] == ["roles"]
        assert values[0]["source"]["db"] == db.name
    else:
        assert [value["operationType"] for value in values] == ["insert", "update", "replace", "delete"]
        assert values[0]["ns"] == {"db": db.name, "coll": "users"}
    assert run_command_line(["verify", "dashboard", "--config", str(worker.conf_dir)]) == 0


def test_the_consumer_library_reads_it(
    launch: Launch, settings: Document, kafka: Broker, db: Database[Document], registry: Apicurio
) -> None:
    worker = launch(in_an_envelope(settings, registry, "document"))
    worker.reached()
    write(db, worker)
    messages(kafka, db, 4, [f"{db.name}.users"])
    consumer = DatabaseChangeConsumer(
        kafka.bootstrap,
        f"{db.name}-group",
        topics=[f"{db.name}.users"],
        options=ConsumerOptions(on_foreign="stop", schema_registry={"url": registry.url}),
    )
    seen: list[tuple[str, Any]] = []

    @consumer.on("users", "insert", "update", "replace", "delete")
    def handle(change: Change) -> None:
        seen.append((change.operation, change.message.get("fullDocument")))
        if change.operation == "delete":
            consumer.stop()

    thread = threading.Thread(target=consumer.run)
    thread.start()
    thread.join(30)
    assert [operation for operation, _ in seen] == ["insert", "update", "replace", "delete"]
    assert seen[1][1] == {"_id": 1, "n": 2}


def test_schemas_that_somebody_else_registers(
    launch: Launch, settings: Document, db: Database[Document], registry: Apicurio
) -> None:
    told = in_avro(settings, registry)
    told["schema_registry"] |= {"auto.register.schemas": False, "subject.name.strategy": "RecordNameStrategy"}
    for record in (SCHEMAS["generic"].key, SCHEMAS["generic"].value):
        registry.register(record.name, record.schema)
    worker = launch(told)
    worker.reached()
    write(db, worker)
    delivered(worker, 4)
    assert worker.stop() == 0
    told["schema_registry"]["subject.name.strategy"] = "TopicRecordNameStrategy"
    refused = launch(told)
    assert refused.wait() == 78
    [error] = refused.logged("error")
    assert "does not have watcher.generic" in error["event"]
    assert "Register it" in error["hint"]
