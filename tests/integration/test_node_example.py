"""examples/node: a Node service that keeps a copy of a collection, from the messages of a real worker in a real Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from confluent_kafka import KafkaException, Producer
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from tests.support.consuming import Writer
from tests.support.kafka_topics import write_garbage
from tests.support.node_package import installed_example
from tests.support.records import QUIET, read_topics
from tests.support.snapshot_messages import completed
from tests.support.waiting import eventually
from tests.support.worker import OPERATIONS, Inbox, Launch
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
FIELDS = ("name", "email")
"""Fields of a user that the copy keeps."""


@pytest.fixture(scope="session")
def example() -> Path:
    return installed_example()


class Service:
    """The running example, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def lines(self) -> list[Document]:
        assert self._process.poll() in (None, 0), self.errors
        return [json.loads(line) for line in self._output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    @property
    def errors(self) -> str:
        return self._output.with_suffix(".err").read_text()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(20) == 0, self.errors


class Place:
    """Topics and files of the service, one for each test; `with place.service(name) as node` runs it."""

    def __init__(self, example: Path, kafka: Broker, mongo: ReplicaSet, directory: Path, prefix: str) -> None:
        self._example = example
        self._directory = directory
        self._variables = {
            "KAFKA_BROKERS": kafka.bootstrap,
            **{f"KAFKA_TOPIC_{operation.upper()}": f"{prefix}.{operation}" for operation in OPERATIONS},
            "KAFKA_GROUP_ID": f"{prefix}-node",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",  # the least that Kafka takes by default
            "MONGODB_URI": mongo.uri(f"{prefix}copy"),
            "SOURCE_DATABASE": prefix,
        }

    @contextmanager
    def service(self, name: str) -> Iterator[Service]:
        output = self._directory / name
        with output.open("w") as stdout, output.with_suffix(".err").open("w") as stderr:
            environment = {**os.environ, **self._variables}
            process = subprocess.Popen(
                ["node", "profession-service.js"], cwd=self._example, stdout=stdout, stderr=stderr, text=True, env=environment
            )
            try:
                yield Service(process, output)
            finally:
                process.kill()
                process.wait()


@pytest.fixture
def place(example: Path, kafka: Broker, mongo: ReplicaSet, tmp_path: Path, prefix: str) -> Place:
    return Place(example, kafka, mongo, tmp_path, prefix)


@pytest.fixture
def rows(mongo_client: MongoClient[Document], prefix: str) -> Iterator[Collection[Document]]:
    """The service's own collection."""
    yield mongo_client[f"{prefix}copy"].users
    mongo_client.drop_database(f"{prefix}copy")


def copied(rows: Collection[Document]) -> dict[ObjectId, Document]:
    """The users that the copy holds."""
    return {row["_id"]: {name: row.get(name) for name in FIELDS} for row in rows.find({"deleted": {"$ne": True}})}


def source(db: Database[Document]) -> dict[ObjectId, Document]:
    """The users that there are, as the copy should hold them."""
    return {user["_id"]: {name: user.get(name) for name in FIELDS} for user in db.users.find()}


def test_the_copy_equals_the_source_after_a_kill_and_over_poison(
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    kafka: Broker,
    db: Database[Document],
    place: Place,
    rows: Collection[Document],
    prefix: str,
) -> None:
    launch(settings).reached()
    users = [ObjectId() for _ in range(30)]
    for number, id_ in enumerate(users):
        db.users.insert_one({"_id": id_, "name": "Ada", "email": "ada@example.org", "tags": []})
        db.users.update_one({"_id": id_}, {"$set": {"name": f"Ada {number}"}, "$push": {"tags": number}})
        db.orders.insert_one({"_id": number})
        if number % 3 == 0:
            db.users.delete_one({"_id": id_})
        elif number % 3 == 1:
            db.users.replace_one({"_id": id_}, {"name": "Grace"})
    records = inbox.records(30 * 3 + 20)
    _write_again(kafka, records[5:25])
    _write_aborted(kafka, prefix, records[0].topic)
    poison = _write_poison(kafka, prefix, records[0].topic)
    newest = newest_sequences(record.json for record in records if record.json["collection"] == "users")

    with place.service("first") as node:
        eventually(lambda: newest_heard_of(node) == newest, 60)
        eventually(lambda: _dead_letters(kafka, prefix) == poison, 60)
        assert node.errors.count("no handler takes insert of orders") == 1
        assert copied(rows) == source(db)
    db.users.update_one({"_id": users[1]}, {"$set": {"name": "Hedy"}})
    db.users.delete_one({"_id": users[2]})
    with place.service("second") as node:
        eventually(lambda: sorted(line["operation"] for line in node.lines) == ["delete", "update"], 60)
        assert copied(rows) == source(db)
        node.stop()


def test_what_was_there_before_the_watcher(
    launch: Launch, settings: Document, db: Database[Document], place: Place, rows: Collection[Document], inbox: Inbox
) -> None:
    """A snapshot copies it, and changes come after the copies, though their ids sort before them."""
    users = [ObjectId() for _ in range(20)]
    db.users.insert_many([{"_id": id_, "name": "Ada"} for id_ in users])
    launch(settings | {"snapshot_mode": "initial"}).reached()
    eventually(lambda: "snapshotCompleted" in [message["operationType"] for message in inbox.messages()], 30)
    db.users.update_one({"_id": users[0]}, {"$set": {"name": "Grace"}})
    db.users.delete_one({"_id": users[1]})
    with place.service("service") as node:
        eventually(lambda: len(rows.distinct("_id")) == 20 and copied(rows) == source(db), 60)
        node.stop()


@pytest.mark.parametrize("begins", ["before", "afterwards"])
def test_after_a_lost_position(
    begins: str,
    launch: Launch,
    settings: Document,
    db: Database[Document],
    kafka: Broker,
    place: Place,
    rows: Collection[Document],
    inbox: Inbox,
) -> None:
    """A user that was deleted while changes were missing is removed, also from a copy that begins with all the messages."""
    users = [ObjectId() for _ in range(30)]
    db.users.insert_many([{"_id": id_, "name": "Ada"} for id_ in users[:20]])
    worker = launch(settings | {"snapshot_mode": "initial", "on_position_lost": "snapshot"})
    completed(inbox)
    db.users.insert_many([{"_id": id_, "name": "Grace"} for id_ in users[20:]])
    inbox.records(20 + 10 + 3)
    with ExitStack() as services:
        if begins == "before":
            node = services.enter_context(place.service("service"))
            eventually(lambda: copied(rows) == source(db), 60)
        assert worker.stop() == 0
        write_garbage(kafka, f"{settings['kafka_client_id']}.position")
        db.users.delete_many({"_id": {"$in": users[::2]}})
        db.users.update_one({"_id": users[1]}, {"$set": {"name": "Hedy"}})
        worker.start()
        completed(inbox, snapshots=2)
        db.users.insert_one({"_id": users[0], "name": "Ada again"})
        if begins == "afterwards":
            node = services.enter_context(place.service("service"))
        eventually(lambda: copied(rows) == source(db), 60)
        eventually(lambda: rows.count_documents({"deleted": True}) == 14, 30)
        node.stop()


def test_rows_that_the_old_handlers_have_written(
    launch: Launch, settings: Document, db: Database[Document], place: Place, rows: Collection[Document]
) -> None:
    """They have no `sequence`: what happens to their users from now on must arrive all the same."""
    updated, deleted, untouched = ObjectId(), ObjectId(), ObjectId()
    old = [{"_id": id_, "name": "Ada", "email": "ada@example.org"} for id_ in (updated, deleted, untouched)]
    db.users.insert_many(old)
    rows.insert_many(old)
    launch(settings).reached()
    db.users.update_one({"_id": updated}, {"$set": {"name": "Ada L."}})
    db.users.delete_one({"_id": deleted})
    with place.service("service") as node:
        eventually(lambda: copied(rows) == source(db), 60)
        node.stop()
    assert {row["_id"] for row in rows.find({"sequence": {"$exists": False}})} == {untouched}


def test_a_message_without_its_document_deletes_nobody(
    kafka: Broker, place: Place, rows: Collection[Document], prefix: str
) -> None:
    """Neither the update whose document was too large, nor one that comes after newer ones."""
    writer = Writer(kafka.bootstrap, prefix)
    id_ = ObjectId()
    insert = writer.message("insert", str(id_), fullDocument={"_id": str(id_), "name": "Ada"})
    truncated = writer.message("update", str(id_), truncated=["fullDocument"])
    del truncated["fullDocument"]
    whole = writer.message("update", str(id_), fullDocument={"_id": str(id_), "name": "Ada L."})
    with place.service("service") as node:
        writer.write([insert])
        eventually(lambda: copied(rows) == {id_: {"name": "Ada", "email": None}}, 60)
        writer.write([truncated])
        eventually(lambda: rows.find_one({"stale": True}), 60)
        assert copied(rows) == {id_: {"name": "Ada", "email": None}}
        writer.write([whole])
        eventually(lambda: copied(rows) == {id_: {"name": "Ada L.", "email": None}}, 60)
        assert rows.find_one({"stale": True}) is None
        writer.write([truncated, writer.message("delete", str(id_))])
        eventually(lambda: copied(rows) == {}, 60)
        eventually(lambda: [line["operation"] for line in node.lines] == ["insert", "update", "update", "delete"])
        node.stop()


def newest_sequences(messages: Iterable[Document]) -> dict[str, int]:
    """The sequence of each document's last change."""
    return _newest((message["documentKey"]["_id"], message["sequence"]) for message in messages)


def newest_heard_of(node: Service) -> dict[str, int]:
    """As `newest_sequences`, of what the service has applied."""
    return _newest((line["key"], line["sequence"]) for line in node.lines)


def _newest(changes: Iterable[tuple[Any, int]]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for id_, sequence in changes:
        key = json.dumps(id_)
        newest[key] = max(newest.get(key, 0), sequence)
    return newest


def _write_again(kafka: Broker, records: list[Any]) -> None:
    """As a consumer sees messages that it had not committed: old ones behind newer ones."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
    for record in records:
        producer.produce(record.topic, record.value, record.key)
    assert producer.flush(20) == 0


def _write_poison(kafka: Broker, database: str, topic: str) -> int:
    """Records that nobody can handle; the number of those that are not empty."""
    user = {"operationType": "insert", "database": database, "collection": "users", "sequence": 10**6, "fullDocument": {}}
    user |= {"timestamp": "2024-01-01T12:00:00.000Z"}
    watched = {**user, "watcher": f"{database}-poison", "documentKey": {"_id": "?"}}
    values = [b"{not json", b"null", b"[]", json.dumps(user).encode(), json.dumps(watched).encode()]
    producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
    for value in [None, *values]:
        producer.produce(topic, value, b"poison")
    assert producer.flush(20) == 0
    return len(values)


def _dead_letters(kafka: Broker, prefix: str) -> int:
    """Their number; AssertionError while their topic, which was made a moment ago, has no leader."""
    try:
        return len(read_topics(kafka.bootstrap, [f"{prefix}-node.dead-letter"]))
    except KafkaException as error:
        raise AssertionError from error


def _write_aborted(kafka: Broker, prefix: str, topic: str) -> None:
    """Write what a worker leaves behind that dies in a transaction; whoever reads it reads what never was."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{prefix}-aborting"}, logger=QUIET)
    producer.init_transactions(20)
    producer.begin_transaction()
    ghost = {
        "operationType": "insert",
        "database": prefix,
        "collection": "users",
        "documentKey": {"_id": str(ObjectId())},
        "fullDocument": {},
        "sequence": 10**6,
        "watcher": f"{prefix}-ghost",
        "timestamp": "2024-01-01T12:00:00.000Z",
    }
    producer.produce(topic, json.dumps(ghost), b'"ghost"')
    producer.flush(20)
    producer.abort_transaction(20)
