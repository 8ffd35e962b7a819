"""The servers of the tests: one MongoDB replica set and one Kafka broker for the whole session, fresh names for each test."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.apache_kafka import BROKER_USED, choose_broker
from tests.support.proxy import TcpProxy
from watcher.sandbox.kafka import ApacheKafka, Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.fault_matrix", "tests.support.side_by_side", "tests.support.run_report"]

SENT_TO_END = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)


def pytest_configure(config: pytest.Config) -> None:
    """Take signals as a terminal's programs do. Under `nohup … &` some arrive ignored, and our children would inherit that."""
    config.addinivalue_line("markers", "one_python: what it proves holds for every Python, so `make test-pythons` leaves it out")
    hypothesis.settings.register_profile("ours", deadline=None)  # a busy machine is no fault
    hypothesis.settings.load_profile("ours")
    for number in SENT_TO_END:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SENT_TO_END)


def pytest_collection_finish() -> None:
    """Freeze what was collected: thousands of tests live to the end, and each full collection of garbage would look at all of them,
    which is a tenth of what unit tests take."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in one line which broker the tests ran against."""
    if used := config.stash.get(BROKER_USED, ""):
        terminalreporter.write_line(f"kafka: {used}")


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Directory of the session's servers. Not pytest's own, which keeps the last three: gigabytes, with servers."""
    with tempfile.TemporaryDirectory(prefix="watcher-tests-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def mongo(server_directory: Path) -> Iterator[ReplicaSet]:
    """A replica set of one node, shared: a test that stops or pauses it starts its own."""
    with ReplicaSet(server_directory / "mongo") as replica_set:
        yield replica_set


@pytest.fixture(scope="module")
def mongo_client(mongo: ReplicaSet) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of `mongo`, of the module's own where it has one."""
    with mongo.client() as client:
        yield client


@pytest.fixture(scope="session")
def kafka(server_directory: Path, pytestconfig: pytest.Config) -> Iterator[Broker]:
    """Apache Kafka if it can be had, else noida-db; shared: a test that stops or pauses it starts its own."""
    broker, remark = choose_broker(server_directory / "kafka")
    with broker:
        pytestconfig.stash[BROKER_USED] = broker.description + remark
        yield broker


@pytest.fixture(scope="session")
def apache(kafka: Broker) -> ApacheKafka:
    """The session's broker, for tests of what only Apache Kafka does; skipped on another one."""
    if not isinstance(kafka, ApacheKafka):
        pytest.skip(f"needs Apache Kafka, and the broker is {kafka.description}")
    return kafka


@pytest.fixture
def kafka_proxy(apache: ApacheKafka) -> Iterator[TcpProxy]:
    """A proxy in front of the session's Apache Kafka: clients that bootstrap from its address send all their traffic through it."""
    with TcpProxy(apache.behind_proxy_port, port=apache.proxy_port) as proxy:
        yield proxy


@pytest.fixture
def mongo_proxy(mongo: ReplicaSet) -> Iterator[TcpProxy]:
    """A proxy in front of the session's mongod; clients must say directConnection=true, or they find their way around it."""
    with TcpProxy(mongo.nodes[0].port) as proxy:
        yield proxy


@pytest.fixture
def prefix() -> str:
    """A name that no other test uses, fit for topics, client ids and databases."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def database(mongo_client: MongoClient[dict[str, Any]], prefix: str) -> Iterator[str]:
    """The name of a database that no other test uses; it is dropped afterwards."""
    yield prefix
    mongo_client.drop_database(prefix)


@pytest.fixture
def db(mongo_client: MongoClient[dict[str, Any]], database: str) -> Database[dict[str, Any]]:
    """The database called `database`."""
    return mongo_client[database]


@pytest.fixture
def careless_umask() -> Iterator[None]:
    """One that closes nothing: what is closed must be closed by the program itself."""
    before = os.umask(0)
    yield
    os.umask(before)
