"""Row 23: an output topic is deleted and created again.

Goal: the worker recovers by itself, and what was not in the topic when it was deleted arrives, once and in order. What was in it is
gone: nobody writes it a second time.
Method: a topic is deleted while the worker streams, between writes or under load. Kafka, or the worker, makes it anew.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle, check_partitions
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
ADMIN_SECONDS = 20
RECOVERED_WITHIN_S = 60.0
IMPATIENT = {"message.timeout.ms": 5000, "transaction.timeout.ms": 5000}
"""By default a transaction is tried for half a minute before the worker opens again, and then finds that a topic is missing."""


def test_deleted_between_writes(
    launch: Launch,
    settings: Document,
    apache: ApacheKafka,
    inbox: Inbox,
    oracle: Oracle,
    fault_report: FaultReport,
    seed: int,
) -> None:
    """Messages read before and messages that come later are all writes together."""
    worker = launch(settings | {"kafka": IMPATIENT})
    worker.reached()
    with Load(oracle, seed=seed, pause_s=BUSY_S):
        inbox.records(100)
    before = inbox.records(oracle.certain_writes)
    inserts = settings["kafka_topic_insert"]
    admin = AdminClient(apache.admin_properties())
    admin.delete_topics([inserts])[inserts].result(ADMIN_SECONDS)
    with Load(oracle, seed=seed + 1, pause_s=BUSY_S):
        eventually(lambda: worker.status["sequence"] > len(before) + 100, RECOVERED_WITHIN_S)
    kept = sum(record.topic != inserts for record in before)
    after = inbox.records(oracle.certain_writes - len(before) + kept, RECOVERED_WITHIN_S)
    assert worker.stop() == 0
    gone = [record for record in before if record.topic == inserts]
    assert {record.json["sequence"] for record in gone}.isdisjoint(record.json["sequence"] for record in after)
    messages = sorted((record.json for record in [*gone, *after]), key=lambda message: message["sequence"])
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
    assert len(messages) == oracle.certain_writes
    check_partitions(after)
    assert any(f"topic {inserts} was deleted, and is created again" in line["event"] for line in worker.logged("warning"))
    assert worker.logged("critical") == []
    fault_report.count(faults=1, writes=oracle.certain_writes, messages=len(after))
    fault_report.remark(f"{len(gone)} messages went with their topic")


def test_deleted_under_load(
    launch: Launch,
    settings: Document,
    apache: ApacheKafka,
    inbox: Inbox,
    oracle: Oracle,
    db: Database[Document],
    fault_report: FaultReport,
    seed: int,
) -> None:
    """The other topics lose nothing, and of this one only what came before the deletion."""
    worker = launch(settings | {"kafka": IMPATIENT})
    worker.reached()
    inserts = settings["kafka_topic_insert"]
    with Load(oracle, seed=seed, pause_s=BUSY_S):
        inbox.records(100)
        admin = AdminClient(apache.admin_properties())
        admin.delete_topics([inserts])[inserts].result(ADMIN_SECONDS)
        last = eventually(lambda: worker.status["sequence"])
        eventually(lambda: worker.status["sequence"] > last + 200, RECOVERED_WITHIN_S)
    db.users.insert_one({"_id": "last"})
    records = eventually(lambda: up_to(inbox, "last"), RECOVERED_WITHIN_S)
    assert worker.stop() == 0
    numbers = [record.json["sequence"] for record in records]
    assert len(set(numbers)) == len(numbers)
    missing = set(range(1, numbers[-1] + 1)) - set(numbers)
    first_kept = min(record.json["sequence"] for record in records if record.topic == inserts)
    assert max(missing) < first_kept
    assert numbers[-1] == oracle.certain_writes + 1
    check_partitions(records)
    fault_report.count(faults=1, writes=oracle.certain_writes + 1, messages=len(records))


def up_to(inbox: Inbox, _id: str) -> list[Any] | None:
    """All records, once one of the document with this id is there."""
    is_there = any(record.json["documentKey"] == {"_id": _id} for record in inbox.records())
    return inbox.records() if is_there else None  # at the first look the rest of its transaction may not have come elsewhere
