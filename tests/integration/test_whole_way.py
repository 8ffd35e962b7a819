"""The whole way, at random: whatever is done to a database, and however its worker dies, Kafka tells exactly that.

Goal: each event once, in the order in which MongoDB has carried them out, all events of a transaction and none of an aborted
one, control messages in their place among the row changes, `sequence` without a gap; and two consumers that copy the database
from the messages alone, one by what changed and one by whole documents, end with exactly what MongoDB holds. What was there before
comes by snapshots, each chosen document once, and no message leads back.
Method: hypothesis draws scripts of inserts, updates, replaces, deletes, drops, renames and transactions over a few documents of
three collections, in which a real worker is killed at any moment or at named points of its transactions, or stopped and started.
Snapshots are made at the first start and by commands, of everything or of some collections and documents. A script that fails is
shrunk. `--seed N` draws the same scripts again; `--long` draws more.
"""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from tests.support.doctoring import as_settings
from tests.support.failing_worker import program
from tests.support.oracle import check_partitions, check_sequence
from tests.support.replay import Collections, Document, replayed
from tests.support.snapshot_messages import operations, steps_back, twice
from tests.support.waiting import eventually
from tests.support.whole_way import COLLECTIONS, Author, Copy, Rename, check_events
from tests.support.whole_way_scripts import Life, Script, scripts
from tests.support.worker import OPERATIONS, STOP_TIMEOUT_S, Inbox, WorkerProcess, watcher_settings
from watcher.model import Delivered
from watcher.position import snapshot_change
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet
from watcher.snapshot import plan

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
    worker.wait(STOP_TIMEOUT_S)


def starter_of_copies(settings: Document) -> Callable[[Copy], bool]:
    """Give `watcherctl snapshot start` for a watcher, whose worker may run or not."""

    def start(copy: Copy) -> bool:
        query = json.dumps({"_id": {"$in": copy.ids}})
        filters = {} if copy.ids is None else dict.fromkeys(copy.collections or COLLECTIONS, query)
        snapshot = plan.begun("command", "replace", copy.collections, filters)
        try:
            snapshot_change.start(as_settings(settings), Delivered(), snapshot)
        except snapshot_change.SnapshotRefused:
            return False
        return True

    return start


def live(worker: WorkerProcess, author: Author, script: Script) -> None:
    """Carry out the script; at its end a healthy worker streams."""
    for write in script.before:
        author.do(write)
    author.expected.clear()  # a worker starts from now
    author.copies += [Copy()] if script.initial else []
    if script.initial:  # a worker that dies in the transaction of its first position would start from later
        worker.start().reached()
        worker.kill()
    for number, life in enumerate(script.lives):
        begin(worker, life)
        if number == 0 and not script.initial:
            worker.reached()
        for step in life.steps:
            author.do(step)
        end(worker, life)
    worker.program = HEALTHY
    worker.start().reached()


def check(worker: WorkerProcess, author: Author, inbox: Inbox, script: Script) -> None:
    """All that Kafka holds is what must have come, and leads to what MongoDB holds."""
    eventually(lambda: has_come(inbox.messages(), author), 60, interval_s=0.1)
    assert worker.stop() == 0, worker.output
    assert not worker.logged("error")
    records = inbox.records()
    messages = [record.json for record in records]
    check_sequence(messages)
    check_partitions(records)
    check_events(author.expected, changes(messages))
    assert steps_back(messages, "n") == []
    targets = {step.to for step in script.steps if isinstance(step, Rename)}
    assert targets or twice(messages) == []
    if script.before:
        check_copies(messages, author, targets)
    else:
        assert replayed(messages, by_deltas=True) == replayed(messages, by_deltas=False) == author.state()


def check_copies(messages: Sequence[Document], author: Author, targets: Container[str]) -> None:
    """The copy of a consumer who knew no documents before is right, and nothing is missing that snapshots had to copy."""
    copied, state = replayed(messages, by_deltas=False, from_nothing=False), author.state()
    for collection, _id, document in documents_of(copied):
        assert document == state.get(collection, {}).get(_id), (collection, _id)
    for collection, _id, _ in documents_of(state):
        assert _id in copied.get(collection, {}) or not is_due(author.copies, targets, collection, _id), (collection, _id)


def changes(messages: Sequence[Document]) -> list[Document]:
    """The messages that are of no snapshot."""
    return [message for message in messages if "snapshot" not in message]


def has_come(messages: Sequence[Document], author: Author) -> bool:
    """Return True if all changes have come, and all snapshots are complete."""
    ended = operations(messages, "snapshotCompleted")
    return len(changes(messages)) >= author.events and len(ended) == len(author.copies)


def documents_of(collections: Collections) -> list[tuple[str, Any, Document]]:
    """All documents, with their collections and ids."""
    return [(name, _id, document) for name, documents in collections.items() for _id, document in documents.items()]


def is_due(copies: Sequence[Copy], targets: Container[str], collection: str, _id: Any) -> bool:
    """Return True if a document must have come, whatever was done to it: what a rename brings from a collection that was not chosen
    need not."""
    return Copy() in copies or (collection not in targets and any(copy.holds(collection, _id) for copy in copies))


@pytest.mark.timeout(TIMEOUT_S)
def test_whatever_happens_kafka_tells_exactly_that(
    mongo: ReplicaSet,
    mongo_client: MongoClient[Document],
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
    def run(script: Script) -> None:
        name = f"w{uuid.uuid4().hex[:10]}"
        topics = [f"{name}.{operation}" for operation in OPERATIONS]
        settings = watcher_settings(mongo.uri(name), kafka.bootstrap, name)
        author = Author(mongo_client, name, starter_of_copies(settings))
        snapshots = {"snapshot_mode": "initial" if script.initial else "never", "snapshot_documents_per_second": script.per_second}
        try:
            with WorkerProcess(tmp_path / name, settings | snapshots) as worker:
                worker.kill()
                live(worker, author, script)
                check(worker, author, Inbox(kafka.bootstrap, topics), script)
        finally:
            mongo_client.drop_database(name)
            AdminClient(kafka.admin_properties()).delete_topics([*topics, f"{name}-watcher.position"])

    run()
