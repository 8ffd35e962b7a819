"""Many databases on one watcher: moving them in and out under load as docs/many-databases.md says, and what the commands show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.records import TopicReader
from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import OPERATIONS, watcher_settings
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

Document = dict[str, Any]

TENANTS = 3
ENOUGH = 30
"""Writes to each database between two steps."""

SHARED, APART = "shared", "apart"


class Tenants:
    """A fleet over databases that begin with `prefix`, all of whose watchers write to the same topics; and a load on each."""

    def __init__(
        self, directory: WatcherctlDirectory, mongo: ReplicaSet, kafka: Broker, prefix: str, client: MongoClient[Document]
    ):
        self.directory = directory
        self.databases = [f"{prefix}_{number}" for number in range(TENANTS)]
        self._mongo, self._kafka, self._prefix = mongo, kafka, prefix
        self.oracles = [Oracle(client[name]) for name in self.databases]
        self._topics = TopicReader(kafka.bootstrap, [f"{prefix}.{operation}" for operation in OPERATIONS])

    def configure(self, name: str, database: str = "", **settings: Any) -> None:
        """Write the file of the watcher of one database, or of one for all."""
        values = watcher_settings(self._mongo.uri(database), self._kafka.bootstrap, self._prefix)
        scope = {} if database else {"watch_databases": [f"{self._prefix}_*"]}
        self.directory.write_toml(name, values | {"kafka_client_id": f"{self._prefix}-{name}"} | scope | settings)

    def configure_each(self) -> None:
        """Write the files of a watcher for each database."""
        for number, database in enumerate(self.databases):
            self.configure(f"tenant-{number}", database)

    def write_more(self) -> None:
        """Wait until each database has had ENOUGH writes more."""
        before = [oracle.certain_writes for oracle in self.oracles]

        def grown() -> bool:
            return all(oracle.certain_writes >= count + ENOUGH for oracle, count in zip(self.oracles, before, strict=True))

        eventually(grown)

    def delivered(self, *names: str) -> list[Document]:
        """All messages about documents, those of the first watcher before those of the next, each in its own order."""
        order = {f"{self._prefix}-{name}": place for place, name in enumerate(names)}
        found = [record.json for record in self._topics.read()]
        return sorted(
            (message for message in found if "documentKey" in message),
            key=lambda message: (order[message["watcher"]], message["sequence"]),
        )


@pytest.fixture
def tenants(mongo: ReplicaSet, kafka: Broker, prefix: str, mongo_client: MongoClient[Document]) -> Iterator[Tenants]:
    with WatcherctlDirectory() as directory:
        fleet = Tenants(directory, mongo, kafka, prefix, mongo_client)
        yield fleet
    for name in fleet.databases:
        mongo_client.drop_database(name)


def without_repetitions(messages: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Part the messages whose `eventId` came before from the others."""
    seen, first, again = set[tuple[str, str]](), list[Document](), list[Document]()
    for message in messages:
        event = (message["database"], message["eventId"])
        (again if event in seen else first).append(message)
        seen.add(event)
    return first, again


def repetitions_and_nothing_lost(tenants: Tenants, *names: str) -> list[Document]:
    """Return the messages that came again. Without these, those of each database are its writes, in order."""
    first, again = without_repetitions(tenants.delivered(*names))
    for database, oracle in zip(tenants.databases, tenants.oracles, strict=True):
        oracle.check_documents([message for message in first if message["database"] == database])
    return again


def test_watchers_move_into_one_and_a_database_moves_out_again(tenants: Tenants) -> None:
    run, moved = tenants.directory.run, tenants.databases[1]
    tenants.configure_each()
    run("start", "--all")
    with ExitStack() as loads:
        for number, oracle in enumerate(tenants.oracles):
            loads.enter_context(Load(oracle, seed=number))
        tenants.write_more()

        tenants.configure(SHARED)
        run("stop", "tenant-*")
        told = run("position", "set", SHARED, "--from", "tenant-*", "--yes")
        run("start", SHARED)
        tenants.write_more()

        tenants.configure(SHARED, exclude_databases=[moved])
        tenants.configure(APART, moved)
        run("stop", SHARED)
        run("position", "set", APART, "--from", SHARED, "--yes")
        run("start", SHARED, APART)
        tenants.write_more()

    names = (*(f"tenant-{number}" for number in range(TENANTS)), SHARED, APART)
    again = eventually(lambda: (repetitions_and_nothing_lost(tenants, *names),), interval_s=0.2)[0]
    assert f"the furthest behind of {TENANTS} watchers" in told.stderr
    out = [message for message in again if message["watcher"].endswith(APART)]
    assert {message["database"] for message in out} <= {moved}
    assert len({cluster_time(message) for message in out}) <= 1, "changes of one moment alone come again"
    run("verify", SHARED)
    run("verify", APART)


def cluster_time(message: Document) -> str:
    """The time in the resume token that is the message's `eventId`."""
    return str(message["eventId"])[2:18]


def test_what_the_commands_show(tenants: Tenants) -> None:
    run, [first, second, third] = tenants.directory.run, tenants.databases
    tenants.configure(SHARED, exclude_databases=[third])
    run("start", SHARED)
    for oracle, number in zip(tenants.oracles, (3, 2, 1), strict=True):
        for identity in range(number):
            oracle.insert("users", str(identity))

    def busiest() -> list[tuple[str, int]]:
        [watcher] = json.loads(run("status", SHARED, "--json").stdout)["watchers"]
        assert watcher["database"] == "*"
        return [(each["name"], each["messagesCommitted"]) for each in watcher["databases"]]

    eventually(lambda: busiest() == [(first, 3), (second, 2)])
    assert f"{SHARED}: busiest of its databases: {first} " in run("status", SHARED).stdout
    series = f'watcher_database_events_per_second{{watcher="{SHARED}",database="{second}"}}'
    eventually(lambda: series in run("metrics").stdout)

    def tailed(*options: str) -> list[tuple[str, str]]:
        lines = run("tail", SHARED, "--json", *options).stdout.splitlines()
        return [(message["database"], message["documentKey"]["_id"]) for message in map(json.loads, lines)]

    assert tailed("--database", second) == tailed("--collection", f"{second}.users") == [(second, "0"), (second, "1")]
    assert len(tailed("--database", f"{first[:-1]}*")) == len(tailed("--collection", "users")) == 5
    assert tailed("--database", third) == []

    verified = json.loads(run("verify", SHARED, "--json", "--complete").stdout)
    assert verified["compared"] == {f"{first}.users": 3, f"{second}.users": 2}
    assert json.loads(run("verify", SHARED, "--json", "--database", second).stdout)["compared"] == {f"{second}.users": 2}
    assert json.loads(run("verify", SHARED, "--json", "--collection", f"{first}.users").stdout)["compared"] == {f"{first}.users": 3}
    assert "is not watched" in run("verify", SHARED, "--database", third, code=2).stderr
    assert json.loads(run("position", "show", SHARED, "--json").stdout)["database"] == "*"
