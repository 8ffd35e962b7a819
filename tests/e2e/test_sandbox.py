"""`watcherctl sandbox` as people run it, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import tomllib
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from tests.support.records import QUIET
from tests.support.running_command import RunningCommand
from watcher.sandbox.process import free_port

pytest_plugins = ["tests.support.running_fixtures"]
pytestmark = pytest.mark.timeout(180)

READY = "Ctrl-C ends both"


class RunningSandbox(RunningCommand):
    """A sandbox on free ports, whose current directory is `here`."""

    def __init__(self, temporary: Path, here: Path, *arguments: str) -> None:
        self.mongodb_port, self.kafka_port = free_port(), free_port()
        ports = ("--mongodb-port", str(self.mongodb_port), "--kafka-port", str(self.kafka_port))
        super().__init__(temporary, "sandbox", *ports, *arguments, cwd=here)
        self.reached(READY)

    def client(self) -> MongoClient[dict[str, int]]:
        return MongoClient(tomllib.loads(self.out)["mongodb_uri"], serverSelectionTimeoutMS=10_000)


def test_prints_the_lines_for_a_conf_d_and_ends_by_a_signal(temporary: Path, tmp_path: Path) -> None:
    sandbox = RunningSandbox(temporary, tmp_path)
    assert tomllib.loads(sandbox.out) == {
        "mongodb_uri": f"mongodb://127.0.0.1:{sandbox.mongodb_port}/NAME?replicaSet=rs0",
        "kafka_brokers": f"127.0.0.1:{sandbox.kafka_port}",
    }
    with sandbox.client() as client, client.shop.watch() as stream:
        client.shop.orders.insert_one({"_id": 1})
        assert stream.next()["operationType"] == "insert"
    assert AdminClient({"bootstrap.servers": f"127.0.0.1:{sandbox.kafka_port}"}, logger=QUIET).list_topics(timeout=10).brokers
    assert sandbox.end(signal.SIGTERM) == 0, sandbox.err
    assert "Both have been stopped." in sandbox.err
    assert ("small stand-in" in sandbox.err) == ("KAFKA_HOME" not in os.environ)
    assert list(tmp_path.iterdir()) == []


def test_kept_data_are_there_again_also_on_other_ports(temporary: Path, tmp_path: Path) -> None:
    first = RunningSandbox(temporary, tmp_path, "--keep")
    with first.client() as client:
        client.shop.orders.insert_one({"_id": 1})
    assert first.end(signal.SIGINT) == 0, first.err
    second = RunningSandbox(temporary, tmp_path, "--keep")
    with second.client() as client:
        assert client.shop.orders.find_one() == {"_id": 1}
    assert second.end(signal.SIGINT) == 0, second.err


def test_a_server_that_ends_is_told_with_its_log(temporary: Path, tmp_path: Path) -> None:
    sandbox = RunningSandbox(temporary, tmp_path)
    (mongod,) = (each for each in psutil.Process(sandbox.process.pid).children(recursive=True) if "--replSet" in each.cmdline())
    os.kill(mongod.pid, signal.SIGKILL)
    assert sandbox.end() == 1
    assert "watcherctl: mongod ended by itself." in sandbox.err
    assert "hint: the end of its log:" in sandbox.err


def test_a_port_that_is_taken_is_told(temporary: Path, tmp_path: Path) -> None:
    sandbox = RunningSandbox(temporary, tmp_path)
    other = RunningCommand(
        temporary, "sandbox", "--mongodb-port", str(free_port()), "--kafka-port", str(sandbox.kafka_port), cwd=tmp_path
    )
    assert other.end() == 1
    assert f"watcherctl: Port {sandbox.kafka_port} of 127.0.0.1 is taken." in other.err
    assert "hint: choose another with --kafka-port" in other.err
    assert sandbox.end(signal.SIGINT) == 0, sandbox.err
