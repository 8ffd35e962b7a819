"""Row 34: the worker is killed during a snapshot.

Goal: the snapshot goes on where it was, in mid-collection. Each document is copied once, no message leads back, and in the end the
messages lead to what MongoDB holds.
Method: `_id`s of all types, and inserts, updates, deletes and transactions meanwhile. SIGKILL at random, most while documents are
copied, every fourth one at some moment of the start; and at the named points of row 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.conftest import Copied
from tests.support.failing_worker import KILLED, Point, program
from tests.support.fault_matrix import FaultReport
from tests.support.snapshot_messages import Message, completed, operations, rows
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

KILLS, KILLS_LONG = 10, 950
DEATHS, DEATHS_LONG = 1, 10
COLLECTIONS = ("organizations", "users")
DOCUMENTS_PER_SECOND = 500
DOCUMENTS_OF_A_LIFE = 150
LEAST_DOCUMENTS, LEAST_FOR_KILLS = 1000, 4000
"""On a busy machine a life lasts longer than it was meant to, and a few of these must not be enough for the whole copy."""
LOAD_PAUSE_S = 0.03
"""Pause between two writes. What was written while the worker was away is delivered first: with more of it, short lives on a busy
machine would copy nothing."""

LONGEST_LIFE_S = 0.4
LONGEST_START_S = 0.8
REACHED_TIMEOUT_S = 120.0
"""A worker that was killed too often before it had delivered anything holds back, for a minute at most."""
LAST_TRANSACTION = 4
HEALTHY = ("-m", "watcher")

LoadFor = Callable[..., VersionedLoad]


@pytest.fixture
def initial(settings: dict[str, Any]) -> dict[str, Any]:
    """As slow as the kills need it."""
    return settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": DOCUMENTS_PER_SECOND}


@pytest.fixture
def load_for(db: Database[Any], rng: Random) -> LoadFor:
    """`load_for(lives, least)`: with enough documents to be copied for so many lives of a worker, and so many at least."""

    def load_for(lives: int, least: int = LEAST_DOCUMENTS) -> VersionedLoad:
        each = max(least, lives * DOCUMENTS_OF_A_LIFE) // len(COLLECTIONS)
        ids = [*TOLD_APART, *(f"d{number}" for number in range(each))]
        load = VersionedLoad(db, ids, COLLECTIONS, seed=rng.randrange(2**32), pause_s=LOAD_PAUSE_S)
        load.fill()
        return load

    return load_for


def check_ends(messages: list[Message]) -> None:
    """Check the control messages of the only snapshot."""
    assert len(operations(messages, "snapshotStarted")) == 1
    ends = operations(messages, "snapshotCollectionCompleted")
    assert [each["collection"] for each in ends] == [*COLLECTIONS]
    [end] = operations(messages, "snapshotCompleted")
    # It counts what was read; a document that came with a change of the same transaction does not come as a row too.
    assert sum(each["documents"] for each in ends) == end["documents"] >= len(rows(messages)) > 0


@pytest.mark.timeout(300)
def test_killed_at_random(
    launch: Launch,
    initial: dict[str, Any],
    inbox: Inbox,
    load_for: LoadFor,
    copied: Copied,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    kills = KILLS_LONG if long_form else KILLS
    with load_for(kills, LEAST_FOR_KILLS) as load:
        worker = launch(initial)
        for _ in range(kills):
            killed = time.monotonic()
            if rng.random() < 0.25:
                time.sleep(rng.uniform(0, LONGEST_START_S))
            else:
                worker.reached(timeout_s=REACHED_TIMEOUT_S)
                fault_report.recovered(time.monotonic() - killed)
                time.sleep(rng.uniform(0, LONGEST_LIFE_S))
            worker.kill()
            worker.start()
        assert operations(inbox.messages(), "snapshotCompleted") == [], "the last kills were after the end"
        worker.kill()
        worker = launch(initial | {"snapshot_documents_per_second": 0})  # nobody waits for the rest
        worker.reached(timeout_s=REACHED_TIMEOUT_S)
        completed(inbox, 60 + kills)
    fault_report.count(faults=kills)
    check_ends(copied(worker, writes=load.writes, timeout_s=60 + kills))


@pytest.mark.timeout(300)
def test_killed_at_named_points(
    launch: Launch,
    initial: dict[str, Any],
    inbox: Inbox,
    load_for: LoadFor,
    copied: Copied,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    points = [*Point] * (DEATHS_LONG if long_form else DEATHS)
    with load_for(len(points)) as load:
        worker = launch(initial)
        worker.reached()
        for point in points:
            worker.kill()
            worker.program = program(point, rng.randint(1, LAST_TRANSACTION))
            worker.start()
            assert worker.wait(REACHED_TIMEOUT_S) == KILLED, worker.output
        worker.program = HEALTHY
        worker.start().reached(timeout_s=REACHED_TIMEOUT_S)
        completed(inbox, 60 + len(points))
    fault_report.count(faults=len(points))
    check_ends(copied(worker, writes=load.writes, timeout_s=60 + len(points)))
