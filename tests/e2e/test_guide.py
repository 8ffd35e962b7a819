"""The guide's own way: its `.env` dropped into conf.d, `watcherctl start --all`, and its messages on its topics."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.apache_kafka import BROKER_USED, choose_broker
from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import Inbox, environment
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

GUIDE_ENV = (Path(__file__).parents[1] / "data" / "guide.env").read_text()
"""The `.env` of the guide's step 1, byte for byte."""
MONGODB_PORT, KAFKA_PORT = 27017, 9092

WATCHED = ("users", "organizations", "practitioners", "schedules", "notifications", "branches")
NOT_WATCHED = ("sessions", "migrations", "invoices")
TOPICS = ("database.insert", "database.update", "database.delete")

Document = dict[str, Any]


class Servers(NamedTuple):
    """MongoDB and Kafka, and the guide's text for them."""

    mongo: ReplicaSet
    kafka: Broker

    def adapt(self, env: str) -> str:
        """`env` as it is when the servers have their usual ports; else with host:port replaced, and nothing more."""
        return env.replace("localhost:27017", self._address(MONGODB_PORT)).replace("localhost:9092", self._address(KAFKA_PORT))

    def _address(self, usual: int) -> str:
        actual = {MONGODB_PORT: self.mongo.nodes[0].port, KAFKA_PORT: self.kafka.port}[usual]
        return f"localhost:{usual}" if actual == usual else f"127.0.0.1:{actual}"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Servers]:
    """Servers of this module's own, for the guide's topics have fixed names; on their usual ports if these are free."""
    directory = tmp_path_factory.mktemp("guide")
    ports = [MONGODB_PORT] if is_free(MONGODB_PORT) else []
    broker, remark = choose_broker(directory / "kafka", KAFKA_PORT if is_free(KAFKA_PORT) else None)
    with ReplicaSet(directory / "mongo", ports=ports) as mongo, broker as kafka:
        pytestconfig.stash[BROKER_USED] = kafka.description + remark
        yield Servers(mongo, kafka)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def client(servers: Servers) -> Iterator[MongoClient[Document]]:
    with servers.mongo.client() as client:
        yield client


@pytest.fixture
def here() -> Iterator[WatcherctlDirectory]:
    with WatcherctlDirectory() as directory:
        yield directory


def change_everything(database: Database[Document]) -> None:
    """An insert, an update, a replacement and a deletion in each collection, watched or not."""
    for name in (*WATCHED, *NOT_WATCHED):
        _id = database[name].insert_one({"name": name}).inserted_id
        database[name].update_one({"_id": _id}, {"$set": {"name": f"new {name}"}})
        database[name].replace_one({"_id": _id}, {"name": f"other {name}"})
        database[name].delete_one({"_id": _id})


def test_the_guides_env_as_it_is(servers: Servers, client: MongoClient[Document], here: WatcherctlDirectory) -> None:
    here.write_env("dashboard", servers.adapt(GUIDE_ENV))
    assert "dashboard  streaming" in here.run("start", "--all").stdout
    change_everything(client.dashboard)

    inbox = Inbox(servers.kafka.bootstrap, TOPICS)
    records = inbox.records(4 * len(WATCHED))
    messages = [record.json for record in records]
    assert Counter((record.topic, message["operationType"]) for record, message in zip(records, messages, strict=True)) == {
        ("database.insert", "insert"): 6,
        ("database.update", "update"): 6,
        ("database.update", "replace"): 6,
        ("database.delete", "delete"): 6,
    }
    assert Counter(message["collection"] for message in messages) == dict.fromkeys(WATCHED, 4)
    for message in messages:
        assert_guides_format(message)
    assert here.status("dashboard")["clientId"] == "database-watcher"
    assert here.run("stop", "--all").returncode == 0
    assert here.status("dashboard")["state"] == "stopped"


def assert_guides_format(message: Document) -> None:
    """The fields of the guide's "Message Format", each with the type that is shown there."""
    assert message["database"] == "dashboard"
    assert isinstance(message["documentKey"]["_id"], str)
    assert len(message["timestamp"]) == len("2024-01-01T12:00:00.000Z")
    assert message["timestamp"].endswith("Z")
    assert ("fullDocument" in message) is (message["operationType"] != "delete")
    assert ("updateDescription" in message) is (message["operationType"] == "update")


SINGLE_TOPIC = """
MONGODB_URI=mongodb://localhost:27017/single
KAFKA_BROKERS=localhost:9092
KAFKA_CLIENT_ID=single-watcher
KAFKA_DB_CHANGES_TOPIC=database.changes
# Comment out individual topics
# KAFKA_TOPIC_INSERT=
# KAFKA_TOPIC_UPDATE=
# KAFKA_TOPIC_DELETE=
LOG_LEVEL=debug
"""


def test_a_single_topic_for_all_operations_and_debug_mode(
    servers: Servers, client: MongoClient[Document], here: WatcherctlDirectory
) -> None:
    here.write_env("single", servers.adapt(SINGLE_TOPIC))
    here.run("start", "--all")
    change_everything(client.single)
    messages = Inbox(servers.kafka.bootstrap, ["database.changes"]).messages(4 * 9)
    assert Counter(message["operationType"] for message in messages) == dict.fromkeys(["insert", "update", "replace", "delete"], 9)
    assert '"level":"debug"' in here.logs


def test_two_databases_with_two_client_ids(servers: Servers, client: MongoClient[Document], here: WatcherctlDirectory) -> None:
    for name in ("one", "two"):
        lines = (
            f"MONGODB_URI=mongodb://localhost:27017/{name}",
            "KAFKA_BROKERS=localhost:9092",
            f"KAFKA_CLIENT_ID={name}-watcher",
            "KAFKA_TOPIC_INSERT=both.insert",
        )
        here.write_env(name, servers.adapt("\n".join(lines)))
    here.run("start", "--all")
    for number in range(5):
        for name in ("one", "two"):
            client[name].users.insert_one({"_id": number})
    messages = Inbox(servers.kafka.bootstrap, ["both.insert"]).messages(10)
    seen = Counter((message["watcher"], message["database"], message["sequence"]) for message in messages)
    assert seen == {(f"{name}-watcher", name, number): 1 for name in ("one", "two") for number in range(1, 6)}


def test_a_single_watcher_from_its_env_file(servers: Servers, client: MongoClient[Document], tmp_path: Path) -> None:
    """As the guide starts it: in the directory with the `.env`, in the foreground."""
    env = servers.adapt(GUIDE_ENV).replace("/dashboard", "/alone").replace("KAFKA_CLIENT_ID=", "KAFKA_CLIENT_ID=alone-")
    (tmp_path / ".env").write_text(env.replace("=database.", "=alone."))
    command = [sys.executable, "-m", "watcher", "run", "--env-file", ".env"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stdout is not None
            eventually(lambda: '"streaming"' in worker.stdout.readline())
            client.alone.users.insert_one({"_id": 1})
            assert len(Inbox(servers.kafka.bootstrap, ["alone.insert"]).messages(1)) == 1
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
        finally:
            worker.kill()
