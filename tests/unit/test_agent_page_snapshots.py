"""Snapshots on the page, and what can be done about them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_page import (
    NOW,
    Elements,
    Page,
    buttons,
    collections,
    row,
    snapshot,
)
from watcher.fleet.status import WatcherState

pytest_plugins = ["tests.support.agent_page_fixtures"]


@pytest.mark.parametrize("path", ["/", "/watchers/shop"])
def test_a_snapshot_has_a_line_and_a_bar(page: Page, path: str) -> None:
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot()))
    shown = Elements(page.get(path).text)
    assert "Snapshot users 12,345 of about 20,000 · 810/s" in shown.text
    assert [(bar["value"], bar["max"], bar["aria-label"]) for bar in shown.of("progress")] == [("0.6172", "1", "Snapshot of shop")]


@pytest.mark.parametrize("path", ["/", "/watchers/shop"])
def test_a_snapshot_that_failed_is_marked_and_has_no_bar(page: Page, path: str) -> None:
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(state="aborted", endedAt=NOW, error="changes are missing")))
    shown = Elements(page.get(path).text)
    assert "Snapshot aborted 0.0s ago, not complete: after 12,345 documents: changes are missing" in shown.text
    assert [line["class"] for line in shown.of("p") if line.get("class", "").startswith("snapshot")] == ["snapshot bad"]
    assert shown.of("progress") == []


def test_a_bar_for_each_collection(page: Page) -> None:
    listed = collections("copied", "copying", "waiting") + collections("copying", estimate=None)
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(byCollection=listed, collections=10, collectionsDone=1)))
    shown = Elements(page.get("/watchers/shop").text)
    words = " ".join(shown.text.split())
    assert "c0 copied, 50 documents" in words
    assert "c1 50 of about 200 documents" in words
    assert "c2 waits, about 200 documents" in words
    assert "c0 50 documents" in words
    assert "And 6 more; of all 10 collections 1 are copied." in words
    assert [bar["value"] for bar in shown.of("progress")] == ["0.6172", "1.0000", "0.2500", "0.2500"]
    assert len(Elements(page.get("/").text).of("progress")) == 1


def test_an_aborted_one_stays_until_another_takes_its_place(page: Page) -> None:
    aborted = snapshot(state="aborted", endedAt=NOW - timedelta(days=3), byCollection=collections("copied", "incomplete"))
    page.show(row("shop", WatcherState.STREAMING, snapshot=aborted))
    words = " ".join(Elements(page.get("/watchers/shop").text).text.split())
    assert "Snapshot aborted 3d ago, not complete: after 12,345 documents" in words
    assert "c1 not complete, 50 of about 200 documents" in words


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, ["pause", "stop"]),
        ({"state": "paused"}, ["resume", "stop"]),
        *[({"state": state, "endedAt": NOW}, ["start"]) for state in ("completed", "stopped", "aborted")],
    ],
)
def test_what_can_be_done_about_it(tmp_path: Path, page: Page, changes: dict[str, Any], offered: list[str]) -> None:
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(**changes)))
    assert buttons(page) == [f"snapshot/{step}" for step in offered]
    without = Page(tmp_path)
    without.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(**changes)))
    assert buttons(without) == []


def test_where_there_was_none_one_can_be_started(tmp_path: Path, page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING))
    assert buttons(page) == ["snapshot/start"]
    without = Page(tmp_path)
    without.show(row("shop", WatcherState.STREAMING))
    assert 'id="snapshot"' not in without.get("/watchers/shop").text
