"""Handlers of snapshots receive what the control messages tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.consumer_changes import change
from watcher.consumer import (
    SnapshotAborted,
    SnapshotCompleted,
    SnapshotStarted,
)
from watcher.consumer.errors import Reject

CHOICE = {"collections": ["users", "o*"], "filters": {"orders": "{}"}}


def test_a_snapshot_that_begins() -> None:
    found = SnapshotStarted.of(
        change("snapshotStarted", None, snapshot="s", reason="initial", snapshotOperation="insert", **CHOICE)
    )
    assert (found.snapshot, found.reason, found.operation, found.sequence) == ("s", "initial", "insert", 7)
    assert (found.collections, found.filters) == (("users", "o*"), {"orders": "{}"})


def completed(collection: str | None = None, **fields: Any) -> SnapshotCompleted:
    operation = "snapshotCollectionCompleted" if collection else "snapshotCompleted"
    return SnapshotCompleted.of(change(operation, collection, snapshot="s", startedSequence=3, documents=5, **fields))


def test_what_a_snapshot_covers() -> None:
    found = completed("users", filtered=False)
    assert (found.snapshot, found.started_sequence, found.collection, found.documents) == ("s", 3, "users", 5)
    assert (found.covers("users"), found.covers("orders")) == (True, False)
    assert not completed("users", filtered=True).covers("users")
    assert completed().covers("whatever")
    found = completed(**CHOICE)
    assert [found.covers(each) for each in ("users", "offers", "orders", "members")] == [True, True, False, False]


OF_SEVERAL = {"collections": ["users", "tenant_*.orders", "*.a.b"], "filters": {"tenant_2.orders": "{}", "visits": "{}"}}


@pytest.mark.parametrize(
    ("collection", "database", "covered"),
    [
        ("users", "tenant_1", True),
        ("users", "shop", True),
        ("users", None, True),
        ("orders", "tenant_1", True),
        ("orders", "shop", False),
        ("orders", "tenant_2", False),  # filtered
        ("orders", None, False),
        ("a.b", None, True),
        ("b", "a", False),
        ("members", "tenant_1", False),
    ],
)
def test_what_a_snapshot_of_several_databases_covers(collection: str, database: str | None, covered: bool) -> None:
    found = SnapshotCompleted.of(
        replace(change("snapshotCompleted", None, snapshot="s", startedSequence=3, documents=5, **OF_SEVERAL), database="*")
    )
    assert found.covers(collection, database) is covered


def test_a_collection_is_completed_in_its_database() -> None:
    found = completed("users", filtered=False)
    assert found.covers("users", found.database)
    assert not found.covers("users", "tenant_2")


def test_a_snapshot_that_is_aborted() -> None:
    found = SnapshotAborted.of(change("snapshotAborted", None, snapshot="s", startedSequence=3, documents=5, reason="gone"))
    assert (found.snapshot, found.started_sequence, found.documents, found.reason) == ("s", 3, 5, "gone")


@pytest.mark.parametrize("kind", [SnapshotStarted, SnapshotCompleted, SnapshotAborted])
def test_a_message_about_a_snapshot_without_its_fields_is_rejected(kind: Any) -> None:
    with pytest.raises(Reject, match="cannot be read"):
        kind.of(change("snapshot", None))
