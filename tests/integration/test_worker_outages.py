"""Outages of MongoDB and Kafka are ridden out in the process: told once at loss and once at recovery, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.load import BUSY_S, Load
from tests.support.mongodb_faults import check_arrival
from tests.support.oracle import Oracle
from tests.support.own_kafka import own_broker
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import OPERATIONS, Inbox, Launch, WorkerProcess, watcher_settings
from watcher.kafka.transactions.writer import WRITE_SECONDS
from watcher.sandbox.kafka import ApacheKafka, Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]


def assert_told_once(worker: WorkerProcess, component: str) -> None:
    """One line at the loss and one at the recovery; the first "streaming" is the start."""

    def lines() -> list[Document]:
        return [line for line in worker.log if line["level"] == "warning" or line["event"] == "streaming"]

    told = eventually(lambda: found if len(found := lines()) >= 3 else None) or []  # a thread of its own writes them
    assert [line["event"] if line["level"] == "info" else line["component"] for line in told] == [
        "streaming",
        component,
        "streaming",
    ]
    assert told[1]["hint"]
    assert told[2]["downtimeSeconds"] > 0
    assert worker.logged("error") == []


def test_mongodb_is_cut_off_and_comes_back(
    launch: Launch, settings: Document, mongo_proxy: TcpProxy, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings | {"mongodb_uri": f"mongodb://{mongo_proxy.address}/{db.name}?directConnection=true"})
    worker.reached()
    db.users.insert_one({"_id": 1})
    inbox.records(1)
    mongo_proxy.refuse()
    status = worker.reached("waiting")
    assert (status["mongoConnected"], status["lastError"]["component"]) == (False, "mongodb")
    assert status["lastError"]["hint"]
    db.users.insert_one({"_id": 2})
    mongo_proxy.accept()
    assert [message["documentKey"]["_id"] for message in inbox.messages(2)] == [1, 2]
    status = worker.reached()
    assert (status["mongoConnected"], status["kafkaConnected"]) == (True, True)
    assert_told_once(worker, "mongodb")


def test_kafka_is_cut_off_and_comes_back(
    launch: Launch, settings: Document, kafka_proxy: TcpProxy, inbox: Inbox, db: Database[Document]
) -> None:
    """A transaction of its own is open at the cut, and may be committed or not."""
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address, "kafka": SHORT})
    worker.reached()
    oracle = Oracle(db)
    with Load(oracle, pause_s=BUSY_S):
        inbox.records(20)
        kafka_proxy.refuse()
        status = worker.reached("waiting", timeout_s=WRITE_SECONDS + 20)  # a commit that is cut off is waited for that long
        assert (status["kafkaConnected"], status["lastError"]["component"]) == (False, "kafka")
        kafka_proxy.accept()
        worker.reached()
    inbox.records(oracle.certain_writes)
    oracle.check(inbox.records())
    assert_told_once(worker, "kafka")


SHORT = {"transaction.timeout.ms": 5000, "message.timeout.ms": 5000}
"""So that a test need not wait half a minute until librdkafka gives up."""


@pytest.mark.parametrize("batch_size", [1000, 10], ids=["caught-up", "backlog"])
def test_connections_to_kafka_are_reset_again_and_again(
    batch_size: int, launch: Launch, settings: Document, kafka_proxy: TcpProxy, inbox: Inbox, db: Database[Document]
) -> None:
    """With small batches there is always more to come, so that MongoDB is read ahead and Kafka written behind."""
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address, "batch_size": batch_size})
    worker.reached()
    oracle = Oracle(db)
    with Load(oracle, pause_s=0):
        for round_ in range(1, 11):
            accepted = kafka_proxy.connections_accepted
            kafka_proxy.behave(reset_after_bytes=777 * round_)
            eventually(lambda before=accepted: kafka_proxy.connections_accepted > before)
            kafka_proxy.heal()
            inbox.records(20 * round_)
    inbox.records(oracle.certain_writes, timeout_s=60)
    oracle.check(inbox.records())


@pytest.fixture
def own_mongo(tmp_path: Path) -> Iterator[ReplicaSet]:
    """A replica set that the test may kill."""
    with ReplicaSet(tmp_path / "mongo") as replica_set:
        yield replica_set


def test_mongod_is_killed_and_started_again(
    launch: Launch, own_mongo: ReplicaSet, kafka: Broker, settings: Document, inbox: Inbox, database: str
) -> None:
    worker = launch(settings | {"mongodb_uri": own_mongo.uri(database)})
    worker.reached()
    with own_mongo.client(serverSelectionTimeoutMS=1000) as client:
        oracle = Oracle(client[database])
        with Load(oracle):
            inbox.records(20)
            own_mongo.nodes[0].kill()
            worker.reached("waiting")
            own_mongo.nodes[0].start()
            own_mongo.wait_for_primary()
            worker.reached()
            inbox.records(len(inbox.records()) + 20)
        check_arrival(oracle, inbox)  # some writes are of unknown fate
    assert_told_once(worker, "mongodb")
    assert worker.stop() == 0


@pytest.fixture(scope="module")
def own_kafka(server_directory: Path, pytestconfig: pytest.Config) -> Iterator[ApacheKafka]:
    """A broker that a test may kill, and then starts again."""
    with own_broker(server_directory / "outages-kafka", pytestconfig) as broker:
        yield broker


@pytest.mark.parametrize("gently", [True, False], ids=["restarted", "killed"])
def test_the_broker_is_gone_and_comes_back(
    gently: bool, launch: Launch, own_kafka: ApacheKafka, settings: Document, db: Database[Document]
) -> None:
    worker = launch(watcher_settings(settings["mongodb_uri"], own_kafka.bootstrap, db.name))
    worker.reached()
    oracle = Oracle(db)
    inbox = Inbox(own_kafka.bootstrap, [f"{db.name}.{operation}" for operation in OPERATIONS])
    with Load(oracle):
        inbox.records(20)
        own_kafka.stop() if gently else own_kafka.kill()
        own_kafka.start()
    inbox.records(oracle.certain_writes, timeout_s=80)
    oracle.check(inbox.records())
    worker.reached()
    assert worker.logged("error") == []
    assert worker.stop() == 0


def test_an_outage_of_both_is_ridden_out(
    launch: Launch, settings: Document, mongo_proxy: TcpProxy, kafka_proxy: TcpProxy, inbox: Inbox, db: Database[Document]
) -> None:
    uri = f"mongodb://{mongo_proxy.address}/{db.name}?directConnection=true"
    worker = launch(settings | {"mongodb_uri": uri, "kafka_brokers": kafka_proxy.address, "kafka": SHORT})
    worker.reached()
    kafka_proxy.refuse()
    mongo_proxy.refuse()
    eventually(lambda: worker.status["errors"] >= 3, 40)
    db.users.insert_one({"_id": 1})
    mongo_proxy.accept()
    kafka_proxy.accept()
    assert len(inbox.messages(1)) == 1
    assert worker.reached()["restarts"] == 0
