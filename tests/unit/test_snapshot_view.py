"""`watcherctl snapshot`, as far as it needs no servers: filters as they are typed, requests, and what is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from tests.unit.test_position_view import NOON, ONE, OWNER, SEEN, SETTINGS
from watcher.cli.delivery.position_view import as_document as position_as_document
from watcher.cli.delivery.position_view import as_text as position_as_text
from watcher.cli.delivery.position_view import plan_as_text
from watcher.cli.delivery.snapshot import Query
from watcher.cli.delivery.snapshot_view import as_document, as_text
from watcher.kafka.position import Saved, Stamp
from watcher.model import Position, Snapshot
from watcher.position.look import Look
from watcher.snapshot.request import RequestRefused, check_chooses, requested

SNAPSHOT = Snapshot(
    "snapshot-1", "replace", "command", "2024-01-01T12:00:00.000Z", ("orders", "user*"), {"orders": '{"paid": true}'},
    started_sequence=1044, collection="orders", documents=24_000, in_collection=4000,
)  # fmt: skip
UNDER_WAY = Look(Saved(Position("dashboard", OWNER, NOON, 7, snapshot=SNAPSHOT), Stamp(OWNER), newest_snapshot=SNAPSHOT), "", ())


@pytest.mark.parametrize("text", ['{"paid": true}', "{}", '{"at": {"$gt": {"$date": "2024-01-01T00:00:00Z"}}}'])
def test_a_filter_as_it_is_typed(text: str) -> None:
    assert Query().convert(text, None, None) == text


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"_id": {"$oid": "x"}}', '{"at": {"$date": "noon"}}'])
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(click.BadParameter, match="JSON"):
        Query().convert(text, None, None)


def test_what_is_shown_of_one_under_way() -> None:
    assert as_text(SETTINGS, SNAPSHOT, "").splitlines() == [
        "dashboard  running  snapshot-1",
        "  documents   24,000 documents, 4,000 of them of orders",
        "  started     2024-01-01T12:00:00.000Z  command",
        "  messages    replace, after sequence 1044",
        "  chosen      orders, user*",
        '  filters     orders {"paid": true}',
    ]


@pytest.mark.parametrize("state", ["stopped", "aborted"])
def test_one_that_has_failed_says_so(state: Any) -> None:
    text = as_text(SETTINGS, replace(SNAPSHOT, state=state), "")
    assert text.startswith(f"dashboard  {state}  ")
    assert "not all was copied" in text


def test_what_is_shown_of_none() -> None:
    assert as_text(SETTINGS, None, "") == "dashboard  no snapshot"
    assert as_text(SETTINGS, None, "It is gone.").splitlines() == ["dashboard  unknown", "  fault       It is gone."]
    assert as_document([(SETTINGS, None, "gone")])["snapshots"][0]["snapshot"] is None


def test_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    [shown] = as_document([(SETTINGS, SNAPSHOT, "")])["snapshots"]
    assert {key for key in (*shown, *shown["snapshot"]) if f"`{key}`" not in text} == set()
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
    check_chooses("ord*", ["orders", "users"])
    with pytest.raises(RequestRefused, match="'order'") as refused:
        check_chooses("order", ["orders", "users"])
    assert refused.value.hint == "did you mean 'orders'?"
    with pytest.raises(RequestRefused) as refused:
        check_chooses("x*", ["orders", "users"])
    assert refused.value.hint == "There are: orders, users."
