"""The whole way, at random: whatever is done to a database, and however its worker dies, Kafka tells exactly that.

Goal: each event once, in the order in which MongoDB has carried them out, all events of a transaction and none of an aborted
one, control messages in their place among the row changes, `sequence` without a gap; and two consumers that copy the database
from the messages alone, one by what changed and one by whole documents, end with exactly what MongoDB holds.
Method: hypothesis draws scripts of inserts, updates, replaces, deletes, drops, renames and transactions over a few documents of
three collections, in which a real worker is killed at any moment or at named points of its transactions, or stopped and started.
A script that fails is shrunk. `--seed N` draws the same scripts again; `--long` draws more.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from tests.support.failing_worker import program
from tests.support.oracle import check_partitions, check_sequence
from tests.support.replay import replayed
from tests.support.whole_way import Author, check_events
from tests.support.whole_way_scripts import Life, scripts
from tests.support.worker import OPERATIONS, Inbox, WorkerProcess, watcher_settings
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

SCRIPTS, SCRIPTS_LONG = 8, 400
TIMEOUT_S = 2 * 3600
"""For the long form, or for shrinking."""

HEALTHY = ("-m", "watcher")


def begin(worker: WorkerProcess, life: Life) -> None:
    """Start a worker that will die as `life` says."""
    worker.program = program(life.point, life.transaction) if life.point else HEALTHY
    worker.start()


def end(worker: WorkerProcess, life: Life) -> None:
    """End the worker, unless it has died at its point already."""
    time.sleep(life.after_ms / 1000)
    worker.signal(signal.SIGTERM if life.orderly else signal.SIGKILL)
    worker.wait()


def live(worker: WorkerProcess, author: Author, script: Sequence[Life]) -> None:
    """Carry out the script; at its end a healthy worker streams."""
    for number, life in enumerate(script):
        begin(worker, life)
        if number == 0:
            worker.reached()  # it starts from now: what is written before is not its business
        for step in life.steps:
            author.do(step)
        end(worker, life)
    worker.program = HEALTHY
    worker.start().reached()


def check(worker: WorkerProcess, author: Author, inbox: Inbox) -> None:
    """All that Kafka holds is what must have come, and leads to what MongoDB holds."""
    inbox.records(author.events)
    assert worker.stop() == 0, worker.output
    assert not worker.logged("error")
    records = inbox.records()
    messages = [record.json for record in records]
    check_sequence(messages)
    check_partitions(records)
    check_events(author.expected, messages)
    assert replayed(inbox.messages(), by_deltas=True) == author.state()
    assert replayed(inbox.messages(), by_deltas=False) == author.state()


@pytest.mark.timeout(TIMEOUT_S)
def test_whatever_happens_kafka_tells_exactly_that(
    mongo: ReplicaSet,
    mongo_client: MongoClient[dict[str, Any]],
    kafka: Broker,
    tmp_path: Path,
    seed: int,
    long_form: bool,
) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=SCRIPTS_LONG if long_form else SCRIPTS,
        deadline=None,
        database=None,  # the seed alone decides
        suppress_health_check=[*hypothesis.HealthCheck],
    )
    @hypothesis.given(scripts)
    def run(script: Sequence[Life]) -> None:
        name = f"w{uuid.uuid4().hex[:10]}"
        topics = [f"{name}.{operation}" for operation in OPERATIONS]
        author = Author(mongo_client, name)
        try:
            with WorkerProcess(tmp_path / name, watcher_settings(mongo.uri(name), kafka.bootstrap, name)) as worker:
                worker.kill()
                live(worker, author, script)
                check(worker, author, Inbox(kafka.bootstrap, topics))
        finally:
            mongo_client.drop_database(name)
            AdminClient(kafka.admin_properties()).delete_topics([*topics, f"{name}-watcher.position"])

    run()
