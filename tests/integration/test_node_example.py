"""examples/node: a Node service that keeps a copy of a collection, from the messages of a real worker in a real Kafka."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo.database import Database

from tests.support.programs import find_program
from tests.support.records import QUIET
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "node"
Document = dict[str, Any]


@pytest.fixture(scope="session")
def example() -> Path:
    """A copy of the example with its dependencies, made once for each content of the lock file."""
    for program in ("node", "npm"):
        find_program(program)
    digest = hashlib.sha256((EXAMPLE / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = ROOT / ".cache" / f"node-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for source in EXAMPLE.iterdir():
            if source.is_file():
                shutil.copy(source, home)
        if not (home / "node_modules" / ".package-lock.json").exists():
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=100, check=False)
            assert done.returncode == 0, done.stderr
    return home


class Service:
    """The running example, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def lines(self) -> list[Document]:
        assert self._process.poll() in (None, 0), self._output.with_suffix(".err").read_text()
        return [json.loads(line) for line in self._output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def stop(self) -> Document:
        """Its copy, as it prints it when it ends."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(20) == 0
        return self.lines[-1]["users"]


@contextmanager
def service(example: Path, kafka: Broker, topics: list[str], group: str, output: Path) -> Iterator[Service]:
    variables = {
        "KAFKA_BROKERS": kafka.bootstrap,
        "KAFKA_TOPICS": ",".join(topics),
        "KAFKA_GROUP_ID": group,
        "KAFKAJS_NO_PARTITIONER_WARNING": "1",
    }
    with output.open("w") as stdout, output.with_suffix(".err").open("w") as stderr:
        process = subprocess.Popen(
            ["node", "profession-service.js"], cwd=example, stdout=stdout, stderr=stderr, text=True, env={**os.environ, **variables}
        )
        try:
            yield Service(process, output)
        finally:
            process.kill()
            process.wait()


def test_the_copy_equals_the_source(
    example: Path,
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    kafka: Broker,
    db: Database[Document],
    tmp_path: Path,
    prefix: str,
) -> None:
    launch(settings).reached()
    for number in range(30):
        db.users.insert_one({"_id": number, "name": "Ada", "tags": []})
        db.users.update_one({"_id": number}, {"$set": {"name": f"Ada {number}"}, "$push": {"tags": number}})
        db.orders.insert_one({"_id": number})
        if number % 3 == 0:
            db.users.delete_one({"_id": number})
        elif number % 3 == 1:
            db.users.replace_one({"_id": number}, {"name": "Grace"})
    records = inbox.records(30 * 3 + 20)
    _write_again(kafka, records[5:25])
    _write_aborted(kafka, prefix, records[0].topic)
    newest = newest_sequences(record.json for record in records if record.json["collection"] == "users")
    source = {json.dumps(user["_id"]): user for user in db.users.find()}

    with service(example, kafka, inbox.topics[:3], f"{prefix}-node", tmp_path / "first") as node:
        eventually(lambda: newest_heard_of(node) == newest, 60)
        assert node.stop() == source
    db.users.update_one({"_id": 1}, {"$set": {"name": "Hedy"}})
    inbox.records(len(records) + 21)
    with service(example, kafka, inbox.topics[:3], f"{prefix}-node", tmp_path / "second") as node:
        eventually(lambda: node.lines, 60)
        assert node.lines == [{"operation": "update", "key": 1, "sequence": node.lines[0]["sequence"]}]
        assert node.stop() == {"1": db.users.find_one({"_id": 1})}


def newest_sequences(messages: Iterable[Document]) -> dict[str, int]:
    """The sequence of each document's last change."""
    newest: dict[str, int] = {}
    for message in messages:
        key = json.dumps(message["documentKey"]["_id"])
        newest[key] = max(newest.get(key, 0), message["sequence"])
    return newest


def newest_heard_of(node: Service) -> dict[str, int]:
    """As `newest_sequences`, of what the service has applied; topics come in any order, so a delete may be the last to come."""
    return {json.dumps(line["key"]): line["sequence"] for line in node.lines}


def _write_again(kafka: Broker, records: list[Any]) -> None:
    """As a consumer sees messages that it had not committed: old ones behind newer ones."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
    for record in records:
        producer.produce(record.topic, record.value, record.key)
    assert producer.flush(20) == 0


def _write_aborted(kafka: Broker, prefix: str, topic: str) -> None:
    """What a worker leaves behind that dies in a transaction; whoever reads it reads what never was."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{prefix}-aborting"}, logger=QUIET)
    producer.init_transactions(20)
    producer.begin_transaction()
    ghost = {
        "operationType": "insert",
        "collection": "users",
        "documentKey": {"_id": "ghost"},
        "fullDocument": {},
        "sequence": 10**6,
    }
    producer.produce(topic, json.dumps(ghost), b'"ghost"')
    producer.flush(20)
    producer.abort_transaction(20)
