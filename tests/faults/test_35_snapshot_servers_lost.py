"""Row 35: MongoDB, its primary or Kafka is lost during a snapshot.

Goal: the worker rides it out, and the snapshot goes on in mid-collection: each document is copied once, no message leads back, and
in the end the messages lead to what MongoDB holds.
Method: documents are copied slowly under a load. In mid-copy the primary of three is told to step down, the only node or the broker
gets SIGKILL and comes back after a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.conftest import Copied
from tests.support.fault_matrix import FaultReport
from tests.support.own_kafka import own_broker
from tests.support.snapshot_messages import completed, operations
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures"]

DOCUMENTS, DOCUMENTS_LONG = 3000, 30_000
DOCUMENTS_PER_SECOND = 300
FAULTS, FAULTS_LONG = 2, 20
COLLECTION = "users"
BACK_WITHIN_S = 60.0
AWAY_S = 2.0


@pytest.fixture(scope="module")
def kafka(server_directory: Path, pytestconfig: pytest.Config) -> Iterator[ApacheKafka]:
    """A broker to be killed."""
    with own_broker(server_directory / "snapshot-kafka", pytestconfig) as broker:
        yield broker


@pytest.fixture(scope="module", params=[1, 3])
def mongo(request: pytest.FixtureRequest, server_directory: Path) -> Iterator[ReplicaSet]:
    """One node, to be killed, or three, whose primary steps down."""
    with ReplicaSet(server_directory / f"snapshot-{request.param}", size=request.param) as replica_set:
        yield replica_set


def kill_broker(mongo: ReplicaSet, kafka: ApacheKafka, away_s: float) -> None:
    """And start it again."""
    kafka.kill()
    time.sleep(away_s)
    kafka.start()


def lose_mongodb(mongo: ReplicaSet, kafka: ApacheKafka, away_s: float) -> None:
    """Kill the only node and start it again; of several, the primary steps down for ten seconds."""
    primary = mongo.wait_for_primary()
    if len(mongo.nodes) > 1:
        with primary.client(socketTimeoutMS=None) as client:
            client.admin.command("replSetStepDown", 10, force=True)
        eventually(lambda: mongo.primary() not in (None, primary), 30)
    else:
        primary.kill()
        time.sleep(away_s)
        primary.start()
        mongo.wait_for_primary()


@pytest.mark.timeout(300)
def test_lost_in_mid_copy(
    launch: Launch,
    settings: dict[str, Any],
    inbox: Inbox,
    mongo: ReplicaSet,
    kafka: ApacheKafka,
    db: Database[Any],
    copied: Copied,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    several = len(mongo.nodes) > 1
    faults: list[Callable[..., None]] = [lose_mongodb] if several else [lose_mongodb, kill_broker]
    ids = [*TOLD_APART, *(f"d{number}" for number in range(DOCUMENTS_LONG if long_form else DOCUMENTS))]
    load = VersionedLoad(db, ids, [COLLECTION], seed=rng.randrange(2**32))
    load.fill()
    initial = settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": DOCUMENTS_PER_SECOND}
    worker = launch(initial)
    with load:
        worker.reached()
        for number in range(FAULTS_LONG if long_form else FAULTS):
            committing(worker, 300)
            faults[number % len(faults)](mongo, kafka, rng.uniform(0, AWAY_S))
            back = time.monotonic()
            committing(worker, 1)
            fault_report.recovered(time.monotonic() - back)
            fault_report.count(faults=1)
        assert operations(inbox.messages(), "snapshotCompleted") == [], "the last fault was after the end"
        worker.kill()
        worker = launch(initial | {"snapshot_documents_per_second": 0})  # nobody waits for the rest
        worker.reached(timeout_s=BACK_WITHIN_S)
        completed(inbox, 120)
    messages = copied(worker, writes=load.writes, timeout_s=BACK_WITHIN_S)
    assert len(operations(messages, "snapshotStarted")) == 1


def committing(worker: WorkerProcess, messages: int) -> None:
    """Wait until the worker has committed so many more."""
    sequence = worker.status["sequence"]
    eventually(lambda: worker.status["sequence"] >= sequence + messages, BACK_WITHIN_S)
