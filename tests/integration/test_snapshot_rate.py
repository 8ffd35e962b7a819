"""A snapshot's allowed rate, and what the status tells of its progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.snapshot_messages import completed
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]
pytestmark = pytest.mark.alone  # a thousand documents a second are to be reached


def test_the_status_tells_how_far_it_is_and_the_allowed_rate_is_held(
    launch: Launch, settings: dict[str, Any], inbox: Inbox, db: Database[Any]
) -> None:
    db.orders.insert_many([{"_id": number} for number in range(500)])
    db.users.insert_many([{"_id": number} for number in range(13_500)])
    worker = launch(settings | {"snapshot_mode": "initial", "snapshot_documents_per_second": 1000})
    worker.reached()
    statuses = [eventually(lambda least=least: delivered(worker.status, least), 60) or {} for least in MOMENTS]
    rates = [rate(*between) for between in zip(statuses, statuses[3:], strict=False)]
    assert max(rates) == pytest.approx(1000, rel=0.05)  # a single status may have come late
    snapshot = statuses[3]["snapshot"]
    told_rate, left = snapshot["documentsPerSecond"], 14_000 - snapshot["documents"]
    assert 500 < told_rate < 1050  # on average since the beginning, when none came yet
    assert snapshot["secondsLeft"] == pytest.approx(left / told_rate, abs=0.1)
    assert (snapshot["state"], snapshot["collection"], snapshot["collections"]) == ("running", "users", 2)
    assert (snapshot["collectionsDone"], snapshot["estimate"], snapshot["collectionEstimate"]) == (1, 14_000, 13_500)
    messages = completed(inbox)
    ended = eventually(lambda: snapshot if (snapshot := worker.status["snapshot"])["state"] == "completed" else None) or {}
    assert (ended["documents"], ended["error"], ended["id"]) == (14_000, None, messages[0]["snapshot"])
    assert worker.stop() == 0
    told = [(line["event"], line.get("collection"), line["documents"]) for line in worker.log if "snapshot" in line]
    assert told == [
        ("the snapshot begins", None, 0),
        ("the collection is copied", "orders", 500),
        ("the collection is copied", "users", 13_500),
        ("the snapshot is completed", None, 14_000),
    ]
    assert worker.status["snapshot"] == ended
    worker.start()
    worker.reached()
    eventually(lambda: worker.status["snapshot"] == ended)


MOMENTS = (1000, 3500, 6000, 8000, 10_500, 13_000)
"""Delivered documents at which the status is read."""


def rate(first: dict[str, Any], last: dict[str, Any]) -> float:
    """Documents a second between two statuses."""
    seconds = (at(last["updatedAt"]) - at(first["updatedAt"])).total_seconds()
    return (last["snapshot"]["documents"] - first["snapshot"]["documents"]) / seconds


def delivered(status: dict[str, Any], least: int) -> dict[str, Any] | None:
    """The worker's status, once so many of a snapshot's documents are delivered."""
    return status if status.get("snapshot") and status["snapshot"]["documents"] >= least else None


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)
