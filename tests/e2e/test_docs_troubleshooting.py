"""Compares docs/troubleshooting.md with what `watcherctl status` says against servers that have the common troubles."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, NewTopic

from tests.support.agent import switch_off_agent
from tests.support.security import ADMIN_SECONDS, Certificates, GuardedKafka, kafka_login, needed_grants
from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import Mongod, ReplicaSet

pytest_plugins = ["tests.support.security_fixtures"]

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
LONGEST_WAIT = "12"
TROUBLES_TIMEOUT_S = 60.0
PASSWORD = "right"


def expected(trouble: str) -> str:
    """Message and hint as docs/troubleshooting.md has them, the age left out."""
    texts = [block for block in re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) if trouble in block]
    assert len(texts) == 1
    return without_age(texts[0]).replace("dashboard: ", "").strip()


def without_age(text: str) -> str:
    return re.sub(r" \([0-9.]+[smhd]\S* ago\)$", "", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def standalone(server_directory: Path) -> Iterator[Mongod]:
    server = Mongod(server_directory / "standalone")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def uninitiated(server_directory: Path) -> Iterator[Mongod]:
    server = Mongod(server_directory / "uninitiated", replica_set="rs0")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def guarded(server_directory: Path) -> Iterator[ReplicaSet]:
    """With a user who may read another database."""
    with ReplicaSet(server_directory / "guarded", user="root", password=PASSWORD) as servers:
        with servers.client() as client:
            client.admin.command("createUser", "app", pwd=PASSWORD, roles=[{"role": "read", "db": "other"}])
        yield servers


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """An address at which nobody listens, kept by us so that nobody will."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"localhost:{kept.getsockname()[1]}"


@pytest.fixture(scope="module")
def status(standalone: Mongod, uninitiated: Mongod, guarded: ReplicaSet, kafka: Broker, nobody: str) -> Iterator[str]:
    """Return what `watcherctl status` shows of a fleet in which every watcher has a trouble of its own."""
    uris = {
        "standalone": f"mongodb://{standalone.address}/dashboard",
        "uninitiated": f"mongodb://{uninitiated.address}/dashboard",
        "password": guarded.uri("dashboard", user="app", password="wrong"),
        "rights": guarded.uri("dashboard", user="app", password=PASSWORD),
        "mongodb-away": f"mongodb://{nobody}/dashboard",
        "kafka-away": guarded.uri("dashboard"),
    }
    with tempfile.TemporaryDirectory(prefix="w-") as directory:
        (Path(directory) / "conf.d").mkdir()
        switch_off_agent(Path(directory) / "conf.d")
        for name, uri in uris.items():
            brokers = nobody if name == "kafka-away" else kafka.bootstrap
            text = f'mongodb_uri = "{uri}"\nkafka_brokers = "{brokers}"\nkafka_client_id = "troubles-{name}"\n'
            (Path(directory) / "conf.d" / f"{name}.toml").write_text(text)
        try:
            watcherctl(directory, "start", "--all", "--wait", LONGEST_WAIT)
            yield eventually(lambda: complete_status(directory, uris), TROUBLES_TIMEOUT_S)
        finally:
            watcherctl(directory, "down")


def complete_status(directory: str, names: Iterable[str]) -> str:
    """The status, as soon as each watcher has met with its trouble."""
    shown = without_age(watcherctl(directory, "status"))
    return shown if all(f"\n{name}: " in shown for name in names) else ""


def watcherctl(directory: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "watcher", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=90, check=False).stdout


def test_replica_set_required(status: str) -> None:
    assert f"standalone: {expected('standalone server')}\n" in status
    assert f"uninitiated: {expected('not initiated yet')}\n" in status


def test_topic_auto_creation(guarded: ReplicaSet, guarded_kafka: GuardedKafka, certificates: Certificates) -> None:
    """A principal with every right but Create; then an administrator makes the topics as the page says."""
    user = client_id = "dashboard-watcher"
    topics = [f"database.{operation}" for operation in ("insert", "update", "delete", "control")]
    guarded_kafka.add_user(user, PASSWORD)
    rights = [grant for grant in needed_grants("database", client_id) if grant[2] != AclOperation.CREATE]
    guarded_kafka.grant(user, rights)
    settings = {
        "mongodb_uri": guarded.uri("dashboard"),
        "kafka_brokers": guarded_kafka.guarded,
        "kafka_client_id": client_id,
        "kafka": kafka_login(user, PASSWORD, certificates.ca),
    }
    with WatcherctlDirectory() as here:
        here.write_toml("dashboard", settings)
        here.run("start", "--all", code=1)
        status = here.run("status", code=3).stdout
        assert f"dashboard: {expected('may not create it')}\n" in without_age(status)
        assert here.status("dashboard")["lastError"]["exitCode"] == 77

        position = NewTopic(f"{client_id}.position", 1, config={"cleanup.policy": "compact"})
        admin = guarded_kafka.admin()
        for created in admin.create_topics([position, *(NewTopic(name) for name in topics)]).values():
            created.result(ADMIN_SECONDS)
        assert "dashboard  streaming" in here.run("start", "--all").stdout


def test_connection_issues(status: str, nobody: str) -> None:
    port = nobody.rpartition(":")[2]
    assert f"mongodb-away: {expected('MongoDB does not answer').replace('27017', port)}\n" in status
    kafka_away = re.sub(r"after \d+ms", "after 0ms", status)
    assert f"kafka-away: {expected('Kafka does not answer').replace('9092', port)}\n" in kafka_away


def test_permission_issues(status: str) -> None:
    assert f"password: {expected('refuses the credentials')}\n" in status
    (beginning,) = re.findall(r"the text begins with `(.+?)`", TEXT.replace("\n", " "))
    assert f"rights: {beginning}" in status
    assert f"\n    {expected('The user needs')}\n" in status
