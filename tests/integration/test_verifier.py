"""The verifier while the world changes under it: things happen at named moments of one verification."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.kafka_topics import delete_topic
from tests.support.records import QUIET
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.config import load_one
from watcher.errors import ExitCode
from watcher.sandbox.kafka import ApacheKafka
from watcher.verification.errors import Unjudgeable
from watcher.verification.result import Verdict, VerificationResult
from watcher.verification.verifier import Verifier

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
Db = Database[Document]
WAITING = "waiting for the watcher"
AGREES = dict.fromkeys(Verdict, 0)


@pytest.fixture
def worker(launch: Launch, settings: Document) -> WorkerProcess:
    process = launch(settings)
    process.reached()
    return process


def verified(
    directory: Path,
    db: Db,
    happens: dict[str, Callable[[], object]] | None = None,
    *,
    since: datetime | None = None,
    collections: Sequence[str] = (),
) -> VerificationResult:
    """The result when each of `happens` happens once, as soon as its phase begins.

    An idle worker saves its position every 10 s only; so that nobody has to wait for that, there are writes to another collection.
    """
    pending = dict(happens or {})

    def progress(phase: str, _done: int, _total: int) -> None:
        if event := pending.pop(phase, None):
            event()
        if phase == WAITING:
            db.ticks.insert_one({})

    settings = load_one(directory / "conf.d", "dashboard", {})
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        result = Verifier(settings, Path(scratch), collections=collections, since=since, progress=progress).run()
    assert not pending
    return result


def counts(result: VerificationResult) -> dict[Verdict, int]:
    return {verdict: result.verdicts[verdict] for verdict in Verdict}


def test_everything_changes_between_the_topics_and_the_collection(
    worker: WorkerProcess, inbox: Inbox, db: Db, tmp_path: Path
) -> None:
    db.first.insert_one({"_id": 1})
    db.users.insert_many([{"_id": number, "name": "Ada"} for number in range(100)])
    inbox.records(101)

    def change() -> None:
        db.users.delete_many({"_id": {"$lt": 10}})
        db.users.update_many({"_id": {"$gte": 10, "$lt": 20}}, {"$set": {"name": "Grace"}})
        db.users.insert_many([{"_id": f"new {number}"} for number in range(10)])
        db.users.delete_one({"_id": 50})
        db.users.insert_one({"_id": 50, "name": "again"})

    def change_again() -> None:
        db.users.update_many({"_id": {"$gte": 15}}, {"$set": {"name": "Hedy"}})
        db.users.delete_one({"_id": "new 3"})
        db.users.insert_one({"_id": 3, "name": "back"})

    result = verified(tmp_path, db, {"comparing first": change, WAITING: change_again})
    assert result.is_equal
    assert counts(result) == AGREES
    assert result.compared == {"first": 1, "users": 100}


def test_a_collection_that_is_nowhere(worker: WorkerProcess, inbox: Inbox, db: Db, tmp_path: Path) -> None:
    db.users.insert_one({"_id": 1})
    inbox.records(1)
    with pytest.raises(Unjudgeable, match="neither MongoDB nor the topics have a collection that was asked for") as refused:
        verified(tmp_path, db, collections=["usrs"])
    assert refused.value.hint == "leave --collection out"
    assert verified(tmp_path, db, collections=["users", "usrs"]).compared == {"users": 1}


@pytest.mark.parametrize("reshape", ["drop", "rename"])
def test_a_collection_that_goes_away_meanwhile_is_named(
    worker: WorkerProcess, inbox: Inbox, db: Db, tmp_path: Path, reshape: str
) -> None:
    db.first.insert_one({"_id": 1})
    db.users.insert_many([{"_id": number} for number in range(10)])
    inbox.records(11)
    result = verified(tmp_path, db, {"comparing first": db.users.drop if reshape == "drop" else lambda: db.users.rename("members")})
    assert result.reshaped == ({"users"} if reshape == "drop" else {"users", "members"})
    assert counts(result) == AGREES
    assert not result.is_equal
    assert verified(tmp_path, db).is_equal


ALL_IDS: list[Any] = [
    MinKey(), None, 1, 2.5, Int64(5), Int64(2**60), Decimal128("1.10"), float("nan"), "a", {"n": Int64(5), "at": DatetimeMS(0)},
    Binary(b"abc"), Binary(b"abc", 128), Binary(bytes(16), 4), Binary(bytes(16), 3), ObjectId(), False, True, Timestamp(1, 2),
    DatetimeMS(1_704_110_400_120), DatetimeMS(-1), DatetimeMS(253_402_300_800_000), DatetimeMS(2**63 - 1), Code("f()"), MaxKey(),
]  # fmt: skip
OF_CHANGES = {f"kafka_topic_{operation}" for operation in ("insert", "update", "delete")}

RETYPED = [
    (Int64(7), 7.0), (0, -0.0), (0.5, Decimal128("0.50")), (Decimal128("1"), Decimal128("1.00")),
    (float("inf"), Decimal128("Infinity")), ({"a": 2}, {"a": 2.0}), ({"a": Decimal128("3")}, {"a": Decimal128("3.0")}),
]  # fmt: skip
"""An `_id`, and another one that is the same to MongoDB: a replace may put it into its place."""


@pytest.mark.parametrize("json_format", ["plain", "extended"])
@pytest.mark.parametrize("afterwards", ["nothing", "deleted", "replaced back", "updated"])
def test_an_id_whose_type_a_replace_changes(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, tmp_path: Path, json_format: str, afterwards: str
) -> None:
    """Its messages go on under another key; it is one document all the same."""
    launch({**settings, "json_format": json_format}).reached()
    db.first.insert_one({"_id": "first"})
    for old, new in RETYPED:
        db.users.insert_one({"_id": old})
        db.users.replace_one({"_id": old}, {"_id": new, "name": "Ada"})
        if afterwards == "deleted":
            db.users.delete_one({"_id": new})
        elif afterwards == "replaced back":
            db.users.replace_one({"_id": new}, {"_id": old, "name": "Grace"})
        elif afterwards == "updated":
            db.users.update_one({"_id": new}, {"$set": {"name": "Grace"}})
    inbox.messages(1 + len(RETYPED) * (2 if afterwards == "nothing" else 3))
    result = verified(tmp_path, db)
    assert counts(result) == AGREES, result.examples


@pytest.mark.parametrize("envelope", ["debezium", "mongodb"])
def test_documents_with_ids_of_all_types(
    launch: Launch, settings: Document, db: Db, tmp_path: Path, database: str, envelope: str
) -> None:
    """Debezium's keys and documents are in two dialects."""
    usual = {name: value for name, value in settings.items() if name not in OF_CHANGES}
    launch({**usual, "envelope": envelope, "kafka_db_changes_topic": f"{database}.rows.{{collection}}"}).reached()
    for collection in (db.kept, db.gone):
        collection.insert_many([{"_id": id_} for id_ in ALL_IDS])
        collection.update_many({}, {"$set": {"name": "Ada"}})
    db.gone.delete_many({})

    def of_all_messages() -> VerificationResult:
        result = verified(tmp_path, db)
        assert result.messages >= 5 * len(ALL_IDS)
        return result

    result = eventually(of_all_messages)
    assert counts(result) == AGREES, result.examples
    assert result.is_equal
    assert result.compared["kept"] == len(ALL_IDS)


HALF = {"$set": {"fullDocument.half": {"$divide": ["$fullDocument.n", 2]}}}


def test_documents_on_which_the_pipeline_fails_are_named_and_the_others_compared(
    launch: Launch, settings: Document, db: Db, tmp_path: Path
) -> None:
    launch({**settings, "pipeline": json.dumps([HALF]), "on_transform_error": "dead-letter"}).reached()
    db.users.insert_many([{"_id": number, "n": number} for number in range(2500)])
    db.users.insert_many([{"_id": f"odd {number}", "n": "text"} for number in range(3)])
    db.users.update_one({"_id": 1200}, {"$set": {"n": "text"}})
    result = verified(tmp_path, db)
    failing = [1200, "odd 0", "odd 1", "odd 2"]
    assert counts(result) == AGREES | {Verdict.PIPELINE_FAILS: len(failing)}, result.examples
    assert result.is_equal
    assert result.dead_letters == len(failing)
    assert result.compared["users"] == 2503
    named = result.examples[Verdict.PIPELINE_FAILS]
    assert sorted((example.as_json()["key"] for example in named), key=str) == failing
    assert all("$divide only supports numeric types" in example.failure for example in named)


def test_a_document_at_which_the_pipeline_has_stopped_the_watcher_is_no_agreement(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, tmp_path: Path
) -> None:
    """Nothing has put its change aside: with on_transform_error = "fail", the default, it is not in Kafka."""
    worker = launch({**settings, "pipeline": json.dumps([HALF])})
    worker.reached()
    db.users.insert_one({"_id": 1, "n": 1})
    inbox.records(1)
    db.users.insert_one({"_id": ObjectId.from_datetime(datetime.now(UTC) + timedelta(hours=1)), "n": "text"})
    assert worker.wait() == ExitCode.UNDELIVERABLE
    result = verified(tmp_path, db)
    assert (result.is_equal, result.stalled) == (False, True)
    assert counts(result) == AGREES | {Verdict.UNSETTLED: 1}


def test_what_retention_has_deleted_is_neither_lost_nor_missing(
    apache: ApacheKafka, worker: WorkerProcess, inbox: Inbox, db: Db, tmp_path: Path, database: str
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    db.users.insert_many([{"_id": ObjectId.from_datetime(long_ago + timedelta(seconds=number))} for number in range(20)])
    db.users.insert_many([{"_id": number} for number in range(20)])
    records = [record for record in inbox.records(40) if record.topic == f"{database}.insert"]
    admin = AdminClient(apache.admin_properties(), logger=QUIET)
    cut = {record.partition: record.offset for record in records[:25]}
    request = [TopicPartition(f"{database}.insert", partition, offset + 1) for partition, offset in cut.items()]
    for future in admin.delete_records(request).values():
        future.result(20)
    result = verified(tmp_path, db)
    left = sum(record.offset > cut.get(record.partition, -1) for record in records)
    assert counts(result) == AGREES | {Verdict.OLDER: 20, Verdict.UNDATED: 20 - left}
    assert left <= result.messages <= left + db.ticks.count_documents({})
    assert result.sequences is not None
    assert result.sequences.gaps == ()
    assert result.is_equal


def test_what_was_written_before_its_collection_was_watched(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, tmp_path: Path
) -> None:
    """The topics do not tell since when a collection is watched: whoever has widened the selection says so."""
    narrow = launch(settings | {"watch_collections": ["first"]})
    narrow.reached()
    db.first.insert_one({"_id": 1})
    inbox.records(1)
    now = datetime.now(UTC)
    db.users.insert_many([{"_id": ObjectId.from_datetime(now + timedelta(seconds=5 + number))} for number in range(3)])
    db.first.insert_one({"_id": 2})  # with its message the position moves past the users
    inbox.records(2)
    narrow.stop()
    launch(settings).reached()
    db.users.insert_one({"_id": ObjectId.from_datetime(now + timedelta(seconds=15))})
    inbox.records(3)
    assert counts(verified(tmp_path, db)) == AGREES | {Verdict.MISSING: 3}
    assert counts(verified(tmp_path, db, since=now + timedelta(seconds=10))) == AGREES | {Verdict.OLDER: 3}


def has_completed(inbox: Inbox, times: int) -> bool:
    """True if so many snapshots are complete."""
    return sum(message["operationType"] == "snapshotCompleted" for message in inbox.messages()) == times


def test_a_snapshot_proves_what_is_older_than_the_topics(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, tmp_path: Path, apache: ApacheKafka
) -> None:
    """A later document without a message is missing, though its `_id` has no time. A lost position does that, and a snapshot
    makes it right again: also for what was deleted or dropped meanwhile."""
    db.users.insert_many([{"_id": number} for number in range(500)])
    db.orders.insert_many([{"_id": number} for number in range(5)])
    worker = launch(settings | {"snapshot_mode": "initial", "on_position_lost": "snapshot"})
    worker.reached()
    db.users.update_many({"_id": {"$lt": 100}}, {"$set": {"name": "Ada"}})
    eventually(lambda: has_completed(inbox, 1), 30)
    before = verified(tmp_path, db)
    assert counts(before) == AGREES, before.examples
    assert before.is_equal
    assert worker.stop() == 0
    delete_topic(apache, f"{settings['kafka_client_id']}.position")
    db.users.insert_one({"_id": "new"})
    db.users.delete_many({"_id": {"$gte": 450}})
    db.users.update_one({"_id": 7}, {"$set": {"name": "Grace"}})
    db.orders.drop()
    worker.start()
    worker.reached()
    eventually(lambda: has_completed(inbox, 2), 30)
    after = verified(tmp_path, db)
    assert counts(after) == AGREES, after.examples
    assert after.is_equal


def test_what_was_neither_copied_nor_changed_is_missing(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, tmp_path: Path, apache: ApacheKafka
) -> None:
    db.users.insert_one({"_id": 1})
    worker = launch(settings | {"snapshot_mode": "initial", "on_position_lost": "restart"})
    worker.reached()
    eventually(lambda: has_completed(inbox, 1), 30)
    assert worker.stop() == 0
    delete_topic(apache, f"{settings['kafka_client_id']}.position")
    db.users.insert_one({"_id": "lost"})
    worker.start()
    worker.reached()
    result = verified(tmp_path, db)
    assert counts(result) == AGREES | {Verdict.MISSING: 1}
    assert result.examples[Verdict.MISSING][0].key == b'"lost"'


def test_the_documented_json_has_the_keys_of_the_real_one(worker: WorkerProcess, inbox: Inbox, db: Db, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "verification.md").read_text(encoding="utf-8")
    documented = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    db.users.insert_one({"_id": 1})
    inbox.records(1)
    real = verified(tmp_path, db).as_json()
    assert list(real) == list(documented)
    assert list(real["sequence"]) == list(documented["sequence"])
