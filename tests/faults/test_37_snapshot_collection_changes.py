"""Row 37: a collection is dropped, renamed, emptied or filled while it is copied; a capped one is written to.

Goal: the control messages tell it, the snapshot goes on or copies the collection again, and in the end the messages lead to what
MongoDB holds. No message leads back.
Method: three collections are copied slowly, under a load on others. In mid-copy the one in hand is changed as a whole, again and
again, in random order.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.conftest import Copied
from tests.support.fault_matrix import FaultReport
from tests.support.load import BUSY_S
from tests.support.snapshot_messages import check, completed, operations, rows
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
DOCUMENTS = 1500
FAULTS, FAULTS_LONG = 5, 200
COLLECTIONS = ("appointments", "users")
UNDER_LOAD = "others"
CAPPED_BYTES = 50_000_000
numbers = itertools.count(1)


def documents(collection: str, count: int) -> list[Document]:
    """New documents, whose names nobody has had."""
    made = [next(numbers) for _ in range(count)]
    return [{"_id": number, "name": f"{collection}/new {number}", "version": 0} for number in made]


def drop(db: Database[Any], collection: str) -> None:
    """It is gone for good."""
    db[collection].drop()


def drop_and_fill(db: Database[Any], collection: str) -> None:
    """The name stands for another collection at once."""
    db[collection].drop()
    db[collection].insert_many(documents(collection, 300))


def empty(db: Database[Any], collection: str) -> None:
    """It stays, without documents."""
    db[collection].delete_many({})


def fill(db: Database[Any], collection: str) -> None:
    """More of it than before, behind and before what is copied."""
    db[collection].insert_many(documents(collection, 300))


def rename_away(db: Database[Any], collection: str) -> None:
    """To a name that was passed, and to one that is still to come."""
    target = f"{'archived' if next(numbers) % 2 else 'zone'}-{collection}-{next(numbers)}"
    db[collection].rename(target)


def replace_as_a_whole(db: Database[Any], collection: str) -> None:
    """As `$out` does it: a new collection is renamed onto the old one."""
    db.create_collection("elsewhere").insert_many(documents(collection, 300))
    db.elsewhere.rename(collection, dropTarget=True)


CHANGES: list[Callable[[Database[Any], str], None]] = [drop, drop_and_fill, empty, fill, rename_away, replace_as_a_whole]


@pytest.mark.timeout(300)
def test_changed_as_a_whole(
    launch: Launch,
    settings: Document,
    inbox: Inbox,
    db: Database[Any],
    copied: Copied,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    load = VersionedLoad(db, [f"d{number}" for number in range(300)], [UNDER_LOAD], seed=rng.randrange(2**32), pause_s=0.01)
    load.fill()
    for collection in COLLECTIONS:
        db[collection].insert_many(documents(collection, DOCUMENTS))
    worker = launch(settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": 600})
    with load:
        worker.reached()
        for _ in range(FAULTS_LONG if long_form else FAULTS):
            sequence = worker.status["sequence"]
            eventually(lambda sequence=sequence: worker.status["sequence"] > sequence + 50)
            time.sleep(rng.uniform(0, 0.2))
            change, collection = rng.choice(CHANGES), rng.choice(COLLECTIONS)
            if collection in db.list_collection_names():
                change(db, collection)
            else:
                fill(db, collection)
            fault_report.count(faults=1)
        completed(inbox, 120)
    copied(worker, writes=load.writes, again=True)


def test_capped_collections(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Any], copied: Copied, rng: Random, fault_report: FaultReport
) -> None:
    """MongoDB does not show their past, so they are read as they are, and the stream is delivered up to then first."""
    ids = [*TOLD_APART, *(f"d{number}" for number in range(2000))]
    capped = VersionedLoad(db, ids, ["journal"], seed=rng.randrange(2**32), pause_s=BUSY_S)
    db.create_collection("journal", capped=True, size=CAPPED_BYTES)
    capped.fill()
    worker = launch(settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": 600})
    with capped:
        worker.reached()
        eventually(lambda: worker.status["sequence"] > 300)
        worker.kill()
        worker.start().reached()
        completed(inbox, 60)
    assert len(rows(copied(worker, writes=capped.writes))) > 1500
    fault_report.count(faults=1)


@pytest.mark.parametrize("full_document", ["updateLookup", "default"])
def test_a_capped_collection_takes_its_place(
    full_document: str, launch: Launch, settings: Document, inbox: Inbox, db: Database[Any], fault_report: FaultReport
) -> None:
    """The one in hand is dropped, and one whose past cannot be read has its name. Nothing waits for ever."""
    db.users.insert_many(documents("users", DOCUMENTS))
    more = {"snapshot_mode": "initial", "snapshot_documents_per_second": 100, "full_document": full_document}
    worker = launch(settings | more)
    worker.reached()
    eventually(lambda: worker.status["sequence"] > 50)  # of 15 s that it would take
    db.users.drop()
    db.create_collection("users", capped=True, size=CAPPED_BYTES)
    db.users.insert_many(documents("users", 100))
    completed(inbox)
    messages = check(inbox, db)
    assert len(operations(messages, "drop")) == 1
    assert len(rows(messages)) < DOCUMENTS
    fault_report.count(faults=1, messages=len(messages))


def test_a_capped_collection_without_whole_documents_is_left_out(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Any], fault_report: FaultReport
) -> None:
    db.create_collection("journal", capped=True, size=CAPPED_BYTES)
    db.journal.insert_many(documents("journal", 10))
    db.users.insert_many(documents("users", 10))
    worker = launch(settings | {"snapshot_mode": "initial", "full_document": "default"})
    messages = completed(inbox)
    assert {row["collection"] for row in rows(messages)} == {"users"}
    assert [end["collection"] for end in operations(messages, "snapshotCollectionCompleted")] == ["users"]
    [told] = eventually(lambda: [line for line in worker.log if "capped" in line["event"]])
    assert told["collection"] == "journal"
    fault_report.count(messages=len(messages))
