"""A snapshot's collections in the status file: in which state each is, and which are shown if there are many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.still_clock import StillClock
from tests.unit.test_snapshots import BEGUN, COUNTS, USERS, Snapshots, clock, shown, snapshots  # noqa: F401  # two are fixtures
from watcher.model import Notice
from watcher.status.report import StatusReport
from watcher.status.snapshot_status import CollectionStatus, SnapshotStatus
from watcher.worker.reporting.snapshot_collections import MOST_SHOWN, by_collection
from watcher.worker.reporting.snapshots import COLLECTION_COMPLETED

MANY = {f"c{number:04}": 10 for number in range(1000)}


def told(status: tuple[CollectionStatus, ...]) -> list[tuple[Any, ...]]:
    return [(each.name, each.state, each.documents, each.estimate) for each in status]


def test_each_is_copied_in_hand_or_waiting() -> None:
    present = replace(BEGUN, reached="b", collection="b", in_collection=7)
    assert told(by_collection(present, COUNTS, {"a": 90})) == [
        ("a", "copied", 90, None),
        ("b", "copying", 7, 7),
        ("users", "waiting", 0, 20_000),
    ]


def test_what_a_query_chooses_has_no_estimate() -> None:
    present = replace(USERS, filters={"users": "{}"})
    assert told(by_collection(present, COUNTS, {}))[-1] == ("users", "copying", 0, None)


def test_one_that_is_to_be_read_again_waits() -> None:
    present = replace(USERS, again=("a",))
    assert [each.state for each in by_collection(present, COUNTS, {"a": 90})] == ["waiting", "copied", "copying"]


def test_one_that_was_created_meanwhile_is_among_them() -> None:
    present = replace(BEGUN, reached="new", collection="new", in_collection=3)
    assert told(by_collection(present, COUNTS, {}))[2:] == [("new", "copying", 3, None), ("users", "waiting", 0, 20_000)]


@pytest.mark.parametrize("state", ["stopped", "aborted"])
def test_one_that_failed_leaves_collections_incomplete(state: Any) -> None:
    ended = replace(BEGUN, reached="b", collection="b", in_collection=7, state=state)
    assert [each.state for each in by_collection(ended, COUNTS, {})] == ["copied", "incomplete", "incomplete"]


def test_nothing_where_nothing_is_to_tell() -> None:
    assert by_collection(BEGUN, {}, {}) == ()
    assert by_collection(replace(USERS, state="completed"), COUNTS, {}) == ()


@pytest.mark.parametrize(("reached", "first"), [("", 0), ("c0004", 0), ("c0500", 496), ("c0999", 980), ("z", 980)])
def test_of_many_those_around_the_one_in_hand_are_shown(reached: str, first: int) -> None:
    names = [each.name for each in by_collection(replace(BEGUN, reached=reached), MANY, {})]
    assert names == [*MANY][first : first + MOST_SHOWN]


def completed(collection: str, documents: int) -> Notice:
    fields = {"snapshot": USERS.id, "collection": collection, "documents": documents}
    return Notice(COLLECTION_COMPLETED, 0, fields)


def test_the_next_process_knows_how_many_were_copied(snapshots: Snapshots, clock: StillClock) -> None:  # noqa: F811  # fixtures
    snapshots.received([completed("a", 90)])
    snapshots.delivered(USERS, 1)
    assert told(shown(snapshots).by_collection)[:2] == [("a", "copied", 90, None), ("b", "copied", None, None)]
    written = StatusReport.from_json({"pid": 1, "startedAt": "2024-01-01T12:00:00Z", "updatedAt": "2024-01-01T12:00:00Z",
                                      "state": "streaming", "snapshot": shown(snapshots).as_json()})  # fmt: skip
    assert written
    following = Snapshots(written.snapshot)
    following.opened(USERS)
    following.counted(COUNTS)
    assert told(shown(following).by_collection)[0] == ("a", "copied", 90, None)
    following.delivered(replace(USERS, id="snapshot-2"), 0)
    assert told(shown(following).by_collection)[0] == ("a", "copied", None, None)


def test_a_list_from_a_later_version_does_no_harm() -> None:
    listed = [{"name": "a", "state": "copied", "later": 1}, {"name": 5}, "b", None]
    read = SnapshotStatus.from_json({"id": "snapshot-1", "state": "running", "byCollection": listed})
    assert read
    assert told(read.by_collection) == [("a", "copied", None, None)]
    assert SnapshotStatus.from_json({"id": "snapshot-1", "state": "running", "byCollection": 5}) == replace(read, by_collection=())
