"""`watcherctl snapshot`, as far as it needs no servers: filters as they are typed, requests, and what is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from tests.unit.test_position_view import NOON, ONE, OWNER, SEEN, SETTINGS
from watcher.cli.delivery.position_view import as_document as position_as_document
from watcher.cli.delivery.position_view import as_text as position_as_text
from watcher.cli.delivery.position_view import plan_as_text
from watcher.cli.delivery.snapshot import Query
from watcher.cli.delivery.snapshot_view import GOES_ON, NOBODY, SnapshotSeen, as_document, as_text, with_report
from watcher.kafka.position import Saved, Stamp
from watcher.model import Position, Snapshot
from watcher.position.look import Look
from watcher.snapshot.request import RequestRefused, check_chooses, requested
from watcher.status.report import StatusReport
from watcher.status.snapshot_status import CollectionStatus, SnapshotStatus

SNAPSHOT = Snapshot(
    "snapshot-1", "replace", "command", "2024-01-01T12:00:00.000Z", ("orders", "user*"), {"orders": '{"paid": true}'},
    started_sequence=1044, collection="orders", documents=24_000, in_collection=4000,
)  # fmt: skip
UNDER_WAY = Look(Saved(Position("dashboard", OWNER, NOON, 7, snapshot=SNAPSHOT), Stamp(OWNER), newest_snapshot=SNAPSHOT), "", ())


TOLD = SnapshotStatus(
    id="snapshot-1", state="running", documents=24_000, estimate=90_000, documents_per_second=810.0, seconds_left=81.0,
    collections=40, collections_done=1,
    by_collection=(
        CollectionStatus(name="carts", state="copied", documents=20_000),
        CollectionStatus(name="orders", state="copying", documents=4_000, estimate=20_000),
        CollectionStatus(name="users", state="waiting", documents=0),
    ),
)  # fmt: skip
RUNNING = SnapshotSeen(SETTINGS, SNAPSHOT, has_worker=True, told=TOLD)
NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


def report(told: SnapshotStatus | None = TOLD, **changes: Any) -> StatusReport:
    values: dict[str, Any] = {"pid": 1, "state": "streaming", "started_at": NOW, "updated_at": NOW, "snapshot": told}
    return StatusReport(**{**values, **changes})


@pytest.mark.parametrize("text", ['{"paid": true}', "{}", '{"at": {"$gt": {"$date": "2024-01-01T00:00:00Z"}}}'])
def test_a_filter_as_it_is_typed(text: str) -> None:
    assert Query().convert(text, None, None) == text


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"_id": {"$oid": "x"}}', '{"at": {"$date": "noon"}}'])
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(click.BadParameter, match="JSON"):
        Query().convert(text, None, None)


def test_what_is_shown_of_one_under_way() -> None:
    assert as_text(RUNNING).splitlines() == [
        "dashboard  running  snapshot-1",
        "  documents   24,000 documents of about 90,000, 4,000 of them of orders",
        "  speed       810/s, about 1m21s left",
        "  collections 1 of 40 copied",
        "              carts   copied, 20,000 documents",
        "              orders  4,000 of about 20,000 documents",
        "              users   waits",
        "              and 37 more; of all 40 collections 1 are copied",
        "  started     2024-01-01T12:00:00.000Z  command",
        "  messages    replace, after sequence 1044",
        "  chosen      orders, user*",
        '  filters     orders {"paid": true}',
    ]


@pytest.mark.parametrize("state", ["stopped", "aborted"])
def test_one_that_has_failed_says_so(state: Any) -> None:
    text = as_text(SnapshotSeen(SETTINGS, replace(SNAPSHOT, state=state, end_reason="it was in the way")))
    assert text.startswith(f"dashboard  {state}  ")
    assert "not all was copied" in text
    assert "  reason      it was in the way\n" in text
    assert NOBODY not in text


def test_the_reason_to_wait_takes_the_place_of_the_rate() -> None:
    waits = replace(TOLD, documents_per_second=0.0, seconds_left=None, waits_for="the stream is behind")
    text = as_text(replace(RUNNING, told=waits))
    assert "\n  waits       the stream is behind\n" in text
    assert "speed" not in text


def test_where_no_worker_runs_the_status_says_so() -> None:
    for told in (None, TOLD):
        assert f"\n  worker      {NOBODY}; {GOES_ON}\n" in as_text(SnapshotSeen(SETTINGS, SNAPSHOT, told=told))
    assert f"\n  worker      {NOBODY}\n" in as_text(SnapshotSeen(SETTINGS, replace(SNAPSHOT, state="paused")))
    assert NOBODY not in as_text(RUNNING)


SEEN_IN_KAFKA = SnapshotSeen(SETTINGS, SNAPSHOT)


@pytest.mark.parametrize("stale", [{"state": "stopped"}, {"state": "failed"}, {"updated_at": NOW - timedelta(minutes=1)}])
def test_what_nobody_tells_now_has_no_rate(stale: dict[str, Any]) -> None:
    assert with_report(SEEN_IN_KAFKA, report(), NOW) == RUNNING
    kept = with_report(SEEN_IN_KAFKA, report(**stale), NOW)
    assert kept.told
    assert (kept.has_worker, kept.told.estimate, kept.told.documents_per_second, kept.told.seconds_left) == (
        False,
        90_000,
        0.0,
        None,
    )
    over = with_report(replace(SEEN_IN_KAFKA, snapshot=replace(SNAPSHOT, state="completed")), report(), NOW)
    assert over.told
    assert (over.told.documents_per_second, over.told.seconds_left) == (0.0, None)


@pytest.mark.parametrize("told", [None, replace(TOLD, id="snapshot-2")], ids=["none", "another"])
def test_a_worker_that_has_not_told_of_this_snapshot_yet_runs_all_the_same(told: SnapshotStatus | None) -> None:
    assert with_report(SEEN_IN_KAFKA, report(told), NOW) == replace(SEEN_IN_KAFKA, has_worker=True)


def test_without_a_status_file_or_a_snapshot_nothing_is_added() -> None:
    assert with_report(SEEN_IN_KAFKA, None, NOW) == SEEN_IN_KAFKA
    none = SnapshotSeen(SETTINGS, None)
    assert with_report(none, report(), NOW) == none


def test_a_hostile_name_of_a_collection_moves_no_cursor() -> None:
    evil = replace(TOLD, by_collection=(CollectionStatus(name="a\x1b[2Jb", state="waiting"),))
    assert "\x1b" not in as_text(replace(RUNNING, told=evil))


def test_what_is_shown_of_none() -> None:
    assert as_text(SnapshotSeen(SETTINGS, None)) == "dashboard  no snapshot"
    assert as_text(SnapshotSeen(SETTINGS, None, "It is gone.")).splitlines() == ["dashboard  unknown", "  fault       It is gone."]
    assert as_document([SnapshotSeen(SETTINGS, None, "gone")])["snapshots"][0]["snapshot"] is None


def test_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    [shown] = as_document([RUNNING])["snapshots"]
    assert {key for key in (*shown, *shown["snapshot"], *shown["progress"]) if f"`{key}`" not in text} == set()
    assert shown["snapshot"]["filters"] == {"orders": {"paid": True}}


def test_the_position_shows_it() -> None:
    document: dict[str, Any] = position_as_document(SETTINGS, UNDER_WAY, None, None)
    assert document["snapshot"]["id"] == "snapshot-1"
    assert "snapshot-1, running" in position_as_text(SETTINGS, UNDER_WAY, None, None)
    assert position_as_document(SETTINGS, SEEN, None, None)["snapshot"] is None


def test_a_plan_tells_what_becomes_of_it() -> None:
    assert "snapshot-1 is aborted" in plan_as_text(SETTINGS, UNDER_WAY, ONE, "set")
    earlier = {"_data": "826592A93F"}
    assert "snapshot-1 goes on" in plan_as_text(SETTINGS, UNDER_WAY, earlier, "rewind")
    assert "snapshot" not in plan_as_text(SETTINGS, SEEN, ONE, "set")


def test_a_request_without_collections_is_what_the_settings_choose() -> None:
    settings = replace(SETTINGS, snapshot_collections=("orders", "users"), snapshot_filter={"orders": "{}"})
    made = requested(settings, (), "", "replace")
    assert (made.collections, made.filters, made.reason) == (("orders", "users"), {"orders": "{}"}, "command")
    assert requested(SETTINGS, (), "", "replace").collections == ()


def test_a_filter_takes_the_place_of_the_settings() -> None:
    settings = replace(SETTINGS, snapshot_filter={"orders": "{}", "visits": "{}"})
    assert requested(settings, ("orders",), '{"paid": true}', "insert").filters == {"orders": '{"paid": true}'}
    assert requested(settings, ("visits",), "", "insert").filters == {"visits": "{}"}


def test_a_pattern_that_chooses_nothing() -> None:
    check_chooses("ord*", ["orders", "users"], SETTINGS.scope)
    with pytest.raises(RequestRefused, match="'order'") as refused:
        check_chooses("order", ["orders", "users"], SETTINGS.scope)
    assert refused.value.hint == "did you mean 'orders'?"
    with pytest.raises(RequestRefused) as refused:
        check_chooses("x*", ["orders", "users"], SETTINGS.scope)
    assert refused.value.hint == "There are: orders, users."
