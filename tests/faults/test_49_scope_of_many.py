"""Row 49: a scope of many databases: one dropped, one created, one with a name Kafka dislikes, one without rights.

Goal: the other databases do not notice. All their changes arrive, each once, in order, and the watcher's one count has no gap,
although the worker is killed meanwhile. A database that appears is there from its first document. A user without rights on all is
told so at the start, and so is one whose rights are taken away later; with the rights back, nothing is missing.
Method: an oracle for each of some databases under a steady load, while others come and go; kills at random times. Names that Kafka
refuses in a topic, and one that is another topic's to Kafka. mongod with --auth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.fault_matrix import FaultReport
from tests.support.kafka_topics import create_topic
from tests.support.load import Load
from tests.support.oracle import Oracle, check_partitions, check_sequence
from tests.support.security import MONGODB_ACTIONS, add_user
from tests.support.snapshot_messages import check, completed, twice
from tests.support.versioned_load import VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.config.topics.name import escape, escape_apart
from watcher.errors import ExitCode
from watcher.sandbox.kafka import ApacheKafka, Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.security_fixtures"]

Document = dict[str, Any]
Client = MongoClient[Document]
STEADY = ("_1", "_2", "_é(3)")
CLASH = "_clash"
KILLS, KILLS_LONG = 6, 100
SNAPSHOT_KILLS = 4
LONGEST_LIFE_S = 0.4
RECOVERY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 40.0


def sharing(uri: str, brokers: str, prefix: str) -> Document:
    """A watcher of all databases of `prefix`, with topics of each."""
    return {
        "mongodb_uri": uri,
        "watch_databases": [f"{prefix}_*"],
        "kafka_brokers": brokers,
        "kafka_client_id": f"{prefix}-watcher",
        "kafka_db_changes_topic": "{database}.changes",
        "kafka_topic_control": f"{prefix}.control",
    }


@pytest.fixture
def client(mongo_client: Client, prefix: str) -> Iterator[Client]:
    """A client that drops the databases of `prefix` afterwards."""
    yield mongo_client
    dropped(mongo_client, prefix)


def dropped(client: Client, prefix: str) -> None:
    for name in client.list_database_names():
        if name.startswith(prefix):
            client.drop_database(name)


def topics(prefix: str, *databases: str) -> list[str]:
    return [f"{prefix}.control", *(f"{escape(prefix + database)}.changes" for database in databases)]


def test_the_others_do_not_notice(
    launch: Launch,
    mongo: ReplicaSet,
    kafka: Broker,
    client: Client,
    prefix: str,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    if isinstance(kafka, ApacheKafka):  # the sandbox's broker would take both names
        create_topic(kafka, f"{prefix}.clash.changes")
    oracles = {f"{prefix}{name}": Oracle(client[f"{prefix}{name}"]) for name in STEADY}
    kills, born = KILLS_LONG if long_form else KILLS, list[str]()
    worker = launch(sharing(mongo.uri(), kafka.bootstrap, prefix))
    worker.reached()
    with ExitStack() as loads:
        for oracle in oracles.values():
            loads.enter_context(Load(oracle, seed=rng.randrange(2**32), pause_s=0.01))
        for number in range(kills):
            if born:
                client.drop_database(f"{prefix}{born[-1]}")
            born.append(CLASH if number == 0 else f"_born{number}")
            client[f"{prefix}{born[-1]}"].users.insert_one({"_id": "first"})
            time.sleep(rng.uniform(0, LONGEST_LIFE_S))
            killed = time.monotonic()
            worker.kill()
            worker.start().reached(timeout_s=RECOVERY_TIMEOUT_S)
            fault_report.recovered(time.monotonic() - killed)
            fault_report.measure(worker.pid)
    apart = [f"{escape_apart(prefix + CLASH)}.changes"]
    inbox = Inbox(kafka.bootstrap, [*topics(prefix, *STEADY, *born), *apart])
    certain = sum(oracle.certain_writes for oracle in oracles.values())
    # One document of each, and of all but the last the drop of its collection, and that of the database.
    records = inbox.records(certain + len(born) + 2 * (len(born) - 1), RECOVERY_TIMEOUT_S)
    messages = [record.json for record in records]
    check_sequence(messages)
    check_partitions(records)
    for database, oracle in oracles.items():
        oracle.check_documents([message for message in messages if message["database"] == database])
    told = [(message["operationType"], message["database"].removeprefix(prefix)) for message in messages]
    for database in born:
        course = ["insert"] if database == born[-1] else ["insert", "drop", "dropDatabase"]
        assert [operation for operation, of in told if of == database] == course
    if isinstance(kafka, ApacheKafka):
        assert [message["database"] for message in Inbox(kafka.bootstrap, apart).messages(1)] == [f"{prefix}{CLASH}"]
    assert worker.stop() == 0
    fault_report.count(writes=certain + len(born), faults=kills + len(born) - 1, messages=len(messages))


def test_a_snapshot_of_all_while_the_worker_is_killed(
    launch: Launch, mongo: ReplicaSet, kafka: Broker, client: Client, prefix: str, rng: Random, fault_report: FaultReport
) -> None:
    """Each document once, in order with the changes, database after database."""
    dbs = [client[f"{prefix}{name}"] for name in STEADY]
    loads = [VersionedLoad(db, range(400), [f"c{number}"], seed=rng.randrange(2**32)) for number, db in enumerate(dbs)]
    for load in loads:
        load.fill()
    paced = {"snapshot_mode": "initial", "snapshot_documents_per_second": 400}
    worker = launch(sharing(mongo.uri(), kafka.bootstrap, prefix) | paced)
    inbox = Inbox(kafka.bootstrap, topics(prefix, *STEADY))
    with ExitStack() as running:
        for load in loads:
            running.enter_context(load)
        for _ in range(SNAPSHOT_KILLS):
            worker.reached(timeout_s=RECOVERY_TIMEOUT_S)
            time.sleep(rng.uniform(0, LONGEST_LIFE_S))
            worker.kill()
            worker.start()
        completed(inbox, RECOVERY_TIMEOUT_S)
    messages = check(inbox, *dbs)
    assert twice(messages) == []
    ends = [message["database"] for message in messages if message["operationType"] == "snapshotCollectionCompleted"]
    assert ends == [db.name for db in dbs]
    assert worker.logged("error") == []
    assert worker.stop() == 0
    fault_report.count(writes=sum(load.writes for load in loads), faults=SNAPSHOT_KILLS, messages=len(messages))


def test_rights_on_some_are_not_enough(
    launch: Launch, guarded_mongo: ReplicaSet, guarded_mongo_client: Client, kafka: Broker, prefix: str, fault_report: FaultReport
) -> None:
    client, password = guarded_mongo_client, f"password-of-{prefix}"
    client[f"{prefix}_1"].users.insert_one({"_id": 0})
    add_user(guarded_mongo, prefix, password, [(f"{prefix}_1", MONGODB_ACTIONS)])
    worker = launch(sharing(guarded_mongo.uri(user=prefix, password=password), kafka.bootstrap, prefix))
    assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED
    assert "readAnyDatabase" in worker.status["lastError"]["hint"]

    client.admin.command("grantRolesToUser", prefix, roles=[{"role": "readAnyDatabase", "db": "admin"}])
    worker.start().reached()
    inbox = Inbox(kafka.bootstrap, topics(prefix, "_1", "_2"))
    client[f"{prefix}_1"].users.insert_one({"_id": 1})
    eventually(lambda: inbox.messages(1), RECOVERY_TIMEOUT_S)
    client.admin.command("revokeRolesFromUser", prefix, roles=[{"role": "readAnyDatabase", "db": "admin"}])
    client[f"{prefix}_2"].users.insert_one({"_id": 2})
    assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED
    client[f"{prefix}_1"].users.insert_one({"_id": 3})
    client.admin.command("grantRolesToUser", prefix, roles=[{"role": "readAnyDatabase", "db": "admin"}])
    worker.start().reached()
    messages = inbox.messages(3, RECOVERY_TIMEOUT_S)
    assert [message["documentKey"]["_id"] for message in messages] == [1, 2, 3]
    check_sequence(messages)
    assert password not in worker.output
    assert worker.stop() == 0
    dropped(client, prefix)
    fault_report.count(writes=3, faults=2, messages=len(messages))
