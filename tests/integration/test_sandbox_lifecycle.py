"""Sandbox servers start, answer, stop, and never outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo.errors import OperationFailure

from tests.support.records import read_topics
from tests.support.waiting import eventually
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import NoidaBroker
from watcher.sandbox.mongod import Mongod, ReplicaSet
from watcher.sandbox.process import Server
from watcher.sandbox.sandbox import Sandbox
from watcher.sandbox.traffic import Traffic

# A program that starts a sandbox, says which processes are its servers, and waits for its end.
PROGRAM = """
import signal
from watcher.sandbox.sandbox import Sandbox
with Sandbox() as sandbox:
    print(sandbox.directory, sandbox.mongodb.nodes[0].pid, sandbox.kafka.pid, flush=True)
    while True:
        signal.pause()
"""


class Sleeper(Server):
    """A server that runs and never answers; what it says has been said by the end of its time."""

    name = "sleeper"
    start_timeout_s = 0.3

    def command(self) -> list[str]:
        return [sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(60)"]

    def answers(self) -> bool:
        eventually(lambda: not self.running or "asleep" in self.log.read_text(), 60)
        return False


def servers_in(directory: Path) -> list[psutil.Process]:
    """The processes that name `directory` in their command line."""
    return [process for process in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(process.info["cmdline"] or ())]


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert servers_in(tmp_path) == []


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs a sandbox, in a process group of its own as a terminal's foreground job is."""
    running = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, start_new_session=True)
    with running:
        yield running
        running.kill()


@pytest.mark.parametrize("make", [Mongod, NoidaBroker])
def test_a_server_starts_answers_and_stops(make: Callable[[Path], Server], tmp_path: Path) -> None:
    with make(tmp_path) as server:
        assert server.answers()
        assert server.pid is not None
    assert not server.running
    assert not server.answers()


def test_a_mongod_starts_again_with_its_data_after_a_kill(tmp_path: Path) -> None:
    with ReplicaSet(tmp_path) as replica_set, replica_set.client() as client:
        client.shop.orders.insert_one({"_id": 1})
        replica_set.nodes[0].kill()
        assert replica_set.primary() is None
        replica_set.nodes[0].start()
        replica_set.wait_for_primary()
        assert client.shop.orders.find_one() == {"_id": 1}


def test_another_node_becomes_primary_when_the_primary_dies(tmp_path: Path) -> None:
    with ReplicaSet(tmp_path, size=3) as replica_set:
        first = replica_set.wait_for_primary()
        first.kill()
        assert replica_set.wait_for_primary() is not first


def test_access_control_holds_also_after_a_restart(tmp_path: Path) -> None:
    replica_set = ReplicaSet(tmp_path, user="root", password="p@ss:/?#")
    for _ in range(2):
        with replica_set, replica_set.client() as client:
            client.shop.orders.insert_one({})
            with replica_set.nodes[0].client() as stranger, pytest.raises(OperationFailure, match="requires authentication"):
                stranger.shop.orders.insert_one({})


def test_a_paused_server_does_not_answer_and_can_still_be_stopped(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path) as broker:
        broker.pause()
        assert not broker.answers()
        broker.resume()
        eventually(broker.answers)
        broker.pause()


def test_a_server_that_dies_at_its_start_is_reported_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="mongod ended while it was starting") as raised:
        Mongod(tmp_path, extra_args=["--noSuchOption"]).start()

    assert "noSuchOption" in raised.value.hint


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real program that asks the real loader for a library which no system has."""
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/true").read_bytes().replace(b"libc.so.6", b"libq.so.6"))
    program.chmod(0o755)
    server = Sleeper(tmp_path / "server")
    monkeypatch.setattr(server, "command", lambda: [program])

    with pytest.raises(SandboxError, match=r"sleeper cannot start: the shared library libq\.so\.6 is missing\.") as raised:
        server.start()

    assert raised.value.hint == "install the package of your system that has libq.so.6"


def test_a_taken_port_is_reported_also_if_its_owner_would_answer(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path / "one") as owner, pytest.raises(SandboxError, match="the port is taken"):
        NoidaBroker(tmp_path / "two", owner.port).start()


def test_a_server_that_does_not_answer_in_time_is_stopped(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path)

    with pytest.raises(SandboxError, match=r"did not answer on 127.0.0.1:\d+ within") as raised:
        sleeper.start()

    assert "asleep" in raised.value.hint
    assert not sleeper.running


def test_a_server_that_answers_once_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked again: a server that is busy the next moment would be said not to have answered in time."""
    answers = iter([False, True, False])
    sleeper = Sleeper(tmp_path)
    sleeper.start_timeout_s = 20.0
    monkeypatch.setattr(sleeper, "answers", lambda: next(answers))
    with sleeper:
        assert sleeper.running


def test_when_the_second_server_fails_the_first_is_stopped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HOME", "")
    sandbox = Sandbox(tmp_path)
    monkeypatch.setattr(sandbox.kafka, "command", lambda: ["/nowhere/noida-db"])

    with pytest.raises(SandboxError, match="noida-db ended"), sandbox:
        pytest.fail("the sandbox started without a broker")

    assert not sandbox.mongodb.nodes[0].running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_outlives_the_program_that_started_it(program: subprocess.Popen[str], number: signal.Signals) -> None:
    assert program.stdout is not None
    directory, *pids = program.stdout.readline().split()
    assert all(psutil.pid_exists(int(pid)) for pid in pids)

    # As a terminal does it: to the whole group.
    os.killpg(program.pid, number)
    program.wait(60)  # a mongod that is told to end writes its data down first

    eventually(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids))
    if number is not signal.SIGKILL:
        assert not Path(directory).exists()


def test_the_traffic_is_what_a_change_stream_sees(mongo: ReplicaSet) -> None:
    traffic = Traffic(mongo.uri(), writes_per_second=1000)
    with mongo.client() as client:
        for database in traffic.written:
            client.drop_database(database)
        with client.watch([{"$match": {"ns.db": {"$in": list(traffic.written)}}}]) as stream:
            with traffic:
                eventually(lambda: all(len(done) == 4 and done.total() >= 50 for done in traffic.written.values()))
            seen: dict[str, dict[str, int]] = {database: {} for database in traffic.written}
            for _ in range(sum(done.total() for done in traffic.written.values())):
                event: Any = stream.next()
                counts = seen[event["ns"]["db"]]
                counts[event["operationType"]] = counts.get(event["operationType"], 0) + 1
            assert stream.try_next() is None
        for database in traffic.written:
            client.drop_database(database)
    assert seen == {database: dict(done) for database, done in traffic.written.items()}


def test_a_sandbox_answers_under_the_addresses_it_gives(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        assert sandbox.mongodb_uri("shop").endswith("/shop?replicaSet=rs0")
        assert sandbox.mongodb.primary() is not None
        assert read_topics(sandbox.kafka_brokers, ["nothing"]) == []
