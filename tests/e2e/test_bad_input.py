"""Servers that cannot be used: one clear message with a hint, the exit code of the table, and never a password."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import Inbox, Launch, WorkerProcess, watcher_settings
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import Mongod, ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
PASSWORD = "pa:s$%w{}rd-7c1f"
ESCAPED = "pa%3As%24%25w%7B%7Drd-7c1f"


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens, kept by us so that nobody will."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{kept.getsockname()[1]}"


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Mongod]:
    with Mongod(tmp_path / "mongod") as mongod:
        yield mongod


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """A replica set with access control: `watcher` may read the database `dashboard`, `stranger` nothing."""
    with (
        ReplicaSet(tmp_path_factory.mktemp("guarded"), user="root", password="root") as replica_set,
        replica_set.client() as client,
    ):
        client.admin.command("createUser", "watcher", pwd=PASSWORD, roles=[{"role": "read", "db": "dashboard"}])
        client.admin.command("createUser", "stranger", pwd=PASSWORD, roles=[])
        yield replica_set


def assert_ended(worker: WorkerProcess, code: int, message: str, hint: str) -> None:
    """It has ended with `code`; log and status say why and what to do, for people."""
    assert worker.wait(30) == code
    [logged] = worker.logged("error")
    shown = worker.status["lastError"]
    assert worker.status["state"] == "failed"
    assert (logged["event"], logged["hint"], logged["exitCode"]) == (shown["message"], shown["hint"], code)
    assert message in shown["message"]
    assert hint in shown["hint"]
    assert "Traceback" not in worker.output


def assert_waits(worker: WorkerProcess, component: str, message: str, hint: str) -> None:
    """It goes on trying; log and status say why and what to do, for people.

    The status may be that of a later attempt, and its text differs in how long Kafka was tried. A thread of its own writes the log.
    """
    shown = worker.reached("waiting")["lastError"]
    [logged] = eventually(lambda: worker.logged("warning"))
    assert (shown["component"], logged["component"]) == (component, component)
    assert message in shown["message"]
    assert message in logged["event"]
    assert hint in shown["hint"]
    assert logged["hint"] == shown["hint"]
    assert "Traceback" not in worker.output
    assert worker.process is not None
    assert worker.process.poll() is None


@pytest.mark.parametrize("options", ["", "?directConnection=true"])
def test_a_standalone_server(options: str, standalone: Mongod, launch: Launch, settings: Document, database: str) -> None:
    worker = launch(settings | {"mongodb_uri": f"mongodb://{standalone.address}/{database}{options}"})
    assert_ended(worker, 76, "standalone", "--replSet")


@pytest.mark.parametrize("options", ["", "?directConnection=true", "?replicaSet=rs0"])
def test_a_replica_set_that_is_initiated_only_later(
    options: str, tmp_path: Path, launch: Launch, settings: Document, inbox: Inbox, database: str
) -> None:
    with Mongod(tmp_path / "mongod", replica_set="rs0") as mongod:
        worker = launch(settings | {"mongodb_uri": f"mongodb://{mongod.address}/{database}{options}"})
        assert_waits(worker, "mongodb", "not initiated", "rs.initiate()")
        with mongod.client() as client:
            members = [{"_id": 0, "host": mongod.address}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        worker.reached()
        with MongoClient(f"mongodb://{mongod.address}/?replicaSet=rs0") as client:
            client[database].users.insert_one({"_id": 1})
        assert len(inbox.messages(1)) == 1


def test_a_standalone_server_that_should_be_a_replica_set(
    standalone: Mongod, launch: Launch, settings: Document, database: str
) -> None:
    worker = launch(settings | {"mongodb_uri": f"mongodb://{standalone.address}/{database}?replicaSet=rs0"})
    assert_waits(worker, "mongodb", f"and {standalone.address} is in none", "--replSet")


def test_a_mongodb_that_is_not_there(nobody: str, launch: Launch, settings: Document, database: str) -> None:
    worker = launch(settings | {"mongodb_uri": f"mongodb://{nobody}/{database}"})
    assert_waits(worker, "mongodb", f"{nobody}: [Errno 111] Connection refused", "Is mongod running")


def test_a_mongodb_that_never_answers(mongo_proxy: TcpProxy, launch: Launch, settings: Document, database: str) -> None:
    mongo_proxy.behave(swallow=True)
    worker = launch(settings | {"mongodb_uri": f"mongodb://{mongo_proxy.address}/{database}?directConnection=true"})
    assert_waits(worker, "mongodb", "MongoDB does not answer", "Is mongod running")


def test_a_kafka_that_is_not_there(nobody: str, launch: Launch, settings: Document) -> None:
    worker = launch(settings | {"kafka_brokers": nobody})
    assert_waits(worker, "kafka", "Connection refused", "Is the broker running")


def test_a_kafka_that_never_answers(kafka: Broker, launch: Launch, settings: Document) -> None:
    """It takes connections, and whatever is sent."""
    with TcpProxy(kafka.port) as proxy:
        proxy.behave(swallow=True)
        worker = launch(settings | {"kafka_brokers": proxy.address})
        assert_waits(worker, "kafka", "Kafka does not answer: asking for the topics failed: ", "Is the broker running")


def uri(guarded: ReplicaSet, user: str, password: str) -> str:
    return f"mongodb://{user}:{password}@{guarded.addresses}/dashboard?replicaSet=rs0&authSource=admin"


def test_a_wrong_password_is_told_and_never_shown(guarded: ReplicaSet, launch: Launch, settings: Document) -> None:
    wrong = f"{PASSWORD}x", f"{ESCAPED}x"
    worker = launch(settings | {"mongodb_uri": uri(guarded, "watcher", wrong[1]), "log_level": "debug"})
    seen = ""
    while worker.process and worker.process.poll() is None:
        seen += command_lines()
    assert_ended(worker, 77, "refuses the credentials", "Check user, password and authSource")
    seen += worker.output + json.dumps(worker.status)
    assert not [secret for secret in wrong if secret in seen]


def test_a_password_that_cannot_be_one_is_a_fault_of_the_configuration(
    guarded: ReplicaSet, launch: Launch, settings: Document
) -> None:
    worker = launch(settings | {"mongodb_uri": uri(guarded, "watcher", "secret%8B")})
    assert_ended(worker, 78, "mongodb_uri", "%XX")
    assert "secret" not in worker.output


def command_lines() -> str:
    """Those of all processes, as `ps` shows them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(lines)


def test_a_user_who_may_not_read(guarded: ReplicaSet, launch: Launch, settings: Document) -> None:
    worker = launch(settings | {"mongodb_uri": uri(guarded, "stranger", ESCAPED)})
    assert_ended(worker, 77, "not permit", "role `read`")


def test_a_user_who_may_only_read_is_enough(guarded: ReplicaSet, launch: Launch, settings: Document, inbox: Inbox) -> None:
    worker = launch(settings | {"mongodb_uri": uri(guarded, "watcher", ESCAPED)})
    worker.reached()
    with guarded.client() as client:
        client.dashboard.users.insert_one({"_id": 1})
    assert len(inbox.messages(1)) == 1
    assert worker.status["headroomSeconds"] is None


def test_broken_watchers_keep_no_other_from_starting_and_no_secret_gets_out(
    guarded: ReplicaSet, standalone: Mongod, kafka: Broker, prefix: str
) -> None:
    with WatcherctlDirectory() as here:
        for name, mongodb_uri in {
            "good": uri(guarded, "watcher", ESCAPED),
            "locked-out": uri(guarded, "watcher", f"{ESCAPED}x"),
            "standalone": f"mongodb://{standalone.address}/x",
        }.items():
            here.write_toml(name, watcher_settings(mongodb_uri, kafka.bootstrap, f"{prefix}-{name}"))
        here.write_env("typo", f"MONGODB_URI={uri(guarded, 'watcher', ESCAPED)}\nKAFKA_BROKER=localhost:9092\n")
        started = here.run("start", "--all", code=1)
        checked = here.run("check", "--show", code=78)
        status = here.run("status", code=3)

        assert "good  streaming" in started.stdout
        assert "refuses the credentials" in started.stdout
        assert "standalone" in started.stdout
        assert "did you mean 'KAFKA_BROKERS'" in started.stdout + started.stderr
        eventually(lambda: here.status("good")["state"] == "streaming")
        assert here.status("locked-out")["lastError"]["exitCode"] == 77
        assert here.status("standalone")["lastError"]["exitCode"] == 76
        texts = [text for result in (started, checked, status) for text in (result.stdout, result.stderr)]
        seen = "".join([*texts, here.written, command_lines()])
        assert not [secret for secret in (PASSWORD, ESCAPED) if secret in seen]
