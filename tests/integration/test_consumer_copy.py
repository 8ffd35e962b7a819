"""The example keeps its copy equal to the source, whatever is killed meanwhile."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.kafka_topics import delete_topic
from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.records import QUIET
from tests.support.waiting import eventually
from tests.support.worker import OPERATIONS, WorkerProcess
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

EXAMPLE = Path(__file__).parents[2] / "examples" / "profession_service.py"
TABLES = ("users", "organizations")
KILLS = 10


class Example:
    """The example as a process, which can be killed and started again."""

    def __init__(self, directory: Path, brokers: str, prefix: str) -> None:
        self.copy = directory / "copy.sqlite"
        self._log = directory / "example.log"
        topics = [f"{prefix}.{operation}" for operation in OPERATIONS]
        arguments = {"brokers": brokers, "database": str(self.copy), "source": prefix, "group": f"{prefix}-copy"}
        named = [f"--{name}={value}" for name, value in arguments.items()]
        self._command = [sys.executable, str(EXAMPLE), *named, "--topics", *topics]

    def start(self) -> None:
        with self._log.open("a") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process.poll() is None, self._log.read_text()
        self.process.kill()
        self.process.wait(20)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def documents(self, table: str) -> dict[str, Any]:
        """Documents that the copy holds."""
        with closing(sqlite3.connect(self.copy, timeout=20)) as db:
            rows = db.execute(f"SELECT key, document FROM {table} WHERE document IS NOT NULL").fetchall()
        return {json.loads(key): json.loads(document) for key, document in rows}

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.kill()


def settings(mongo: ReplicaSet, kafka: Broker, prefix: str) -> dict[str, Any]:
    topics = {f"kafka_topic_{operation}": f"{prefix}.{operation}" for operation in OPERATIONS}
    return {
        "mongodb_uri": mongo.uri(prefix),
        "kafka_brokers": kafka.bootstrap,
        "kafka_client_id": prefix,
        "topic_partitions": 3,
        **topics,
    }


def holds_a_copy(example: Example, db: Database[Any]) -> bool:
    for table in TABLES:
        source = {document["_id"]: document for document in db[table].find()}
        try:
            copied = example.documents(table)
        except sqlite3.OperationalError as error:  # it makes one table after the other
            raise AssertionError from error
        assert copied == source
    return True


def test_the_copy_equals_the_source_after_both_sides_were_killed(
    tmp_path: Path, mongo: ReplicaSet, kafka: Broker, prefix: str, db: Database[Any]
) -> None:
    random = Random(4)
    example = Example(tmp_path, kafka.bootstrap, prefix)
    oracle = Oracle(db)
    with WorkerProcess(tmp_path, settings(mongo, kafka, prefix)) as worker:
        worker.reached()
        with example.running():
            with Load(oracle, seed=random.randrange(1000), documents=60, pause_s=BUSY_S) as load:
                for number in range(KILLS):
                    goal = oracle.certain_writes + random.randrange(20, 200)
                    eventually(lambda goal=goal: oracle.certain_writes >= goal, 30)
                    victim = worker if number % 2 else example
                    victim.kill()
                    victim.start()
            assert load.failures == 0
            assert db.users.count_documents({}) > 0
            eventually(lambda: holds_a_copy(example, db), 60, interval_s=0.2)


def test_a_dropped_collection_is_gone_from_the_copy(
    tmp_path: Path, mongo: ReplicaSet, kafka: Broker, prefix: str, db: Database[Any]
) -> None:
    example = Example(tmp_path, kafka.bootstrap, prefix)
    with WorkerProcess(tmp_path, settings(mongo, kafka, prefix)) as worker, example.running():
        worker.reached()
        db.users.insert_many({"_id": str(number)} for number in range(20))
        db.organizations.insert_one({"_id": 1})
        eventually(lambda: example.copy.exists() and holds_a_copy(example, db), 40)
        db.users.drop()
        db.users.insert_one({"_id": "3", "after": True})
        eventually(lambda: holds_a_copy(example, db), 30)


def write_last_everywhere(kafka: Broker, prefix: str) -> None:
    """Write a message of another watcher's to each partition."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
    topics = producer.list_topics(timeout=20).topics
    for sequence, topic in enumerate((f"{prefix}.{operation}" for operation in OPERATIONS), 1):
        for partition in topics[topic].partitions if topic in topics else ():
            message = {
                "operationType": "drop",
                "database": "other",
                "collection": "users",
                "timestamp": "2024-01-01T12:00:00.000Z",
                "eventId": f"{sequence:08x}",
                "watcher": "other",
                "sequence": sequence,
            }
            producer.produce(topic, json.dumps(message), partition=partition)
    assert producer.flush(20) == 0


@pytest.mark.parametrize("example_runs", [True, False])
def test_a_watcher_whose_position_was_deleted(
    tmp_path: Path, mongo: ReplicaSet, kafka: Broker, prefix: str, db: Database[Any], example_runs: bool
) -> None:
    """Its numbers begin with 1 again, whether the example sees that happen or not; the copy still follows.

    That takes topics in which another watcher has written last: otherwise the worker finds its own messages there.
    """
    example = Example(tmp_path, kafka.bootstrap, prefix)
    db.users.insert_many({"_id": number, "n": 0} for number in range(20))
    with WorkerProcess(tmp_path, settings(mongo, kafka, prefix)) as worker, example.running():
        worker.reached()
        db.users.update_many({}, {"$inc": {"n": 1}})
        eventually(lambda: example.copy.exists() and holds_a_copy(example, db), 40)
        assert worker.stop() == 0
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
        admin.delete_topics([f"{prefix}.position"])[f"{prefix}.position"].result(20)
        eventually(lambda: f"{prefix}.position" not in admin.list_topics(timeout=10).topics)
        shutil.rmtree(worker.state_dir / "run")
        write_last_everywhere(kafka, prefix)
        if not example_runs:
            example.kill()
        worker.start()
        worker.reached()
        db.users.update_many({}, {"$inc": {"n": 1}})
        db.users.delete_one({"_id": 3})
        if not example_runs:
            example.start()
        eventually(lambda: holds_a_copy(example, db), 40)
    if example_runs:
        assert "begin again" in example.log


@pytest.mark.parametrize("kills", [0, 3])
def test_a_copy_by_snapshots(tmp_path: Path, mongo: ReplicaSet, kafka: Broker, prefix: str, db: Database[Any], kills: int) -> None:
    """An empty SQLite becomes the whole copy; after a lost position again, without what was deleted or dropped meanwhile."""
    example = Example(tmp_path, kafka.bootstrap, prefix)
    db.users.insert_many({"_id": number, "n": 0} for number in range(3000))
    db.organizations.insert_many({"_id": str(number)} for number in range(20))
    by_snapshots = {"snapshot_mode": "initial", "on_position_lost": "snapshot", "snapshot_documents_per_second": 2000}
    with WorkerProcess(tmp_path, settings(mongo, kafka, prefix) | by_snapshots) as worker, example.running():
        worker.reached()
        db.users.update_many({"_id": {"$lt": 100}}, {"$inc": {"n": 1}})
        db.users.delete_many({"_id": {"$gte": 2900}})
        kill_by_turns(kills, worker, example)
        eventually(lambda: example.copy.exists() and holds_a_copy(example, db), 60, interval_s=0.2)
        worker.reached()
        assert worker.stop() == 0
        delete_topic(kafka, f"{prefix}.position")
        db.users.delete_many({"_id": {"$lt": 50}})
        db.users.update_many({"_id": {"$lt": 200}}, {"$inc": {"n": 1}})
        db.users.insert_one({"_id": 5000})
        db.organizations.drop()
        worker.start()
        worker.reached()
        db.users.insert_one({"_id": 7, "n": "again"})
        kill_by_turns(kills, worker, example)
        eventually(lambda: holds_a_copy(example, db), 60, interval_s=0.2)


def kill_by_turns(kills: int, worker: WorkerProcess, example: Example) -> None:
    """Kill both in turn, each time once the worker streams again."""
    for number in range(kills):
        worker.reached()
        victim = worker if number % 2 else example
        victim.kill()
        victim.start()
