"""A snapshot on one line: below the table of `watcherctl status`, and on the page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.status_reports import NOW, dashboard, survey_of
from watcher.agent.page.model import watcher_view
from watcher.cli.fleet.status_view import plain, snapshots
from watcher.fleet.status_json import as_json
from watcher.status.snapshot_status import SnapshotStatus
from watcher.terminal.snapshot_line import RECENT, snapshot_line

VALUES: dict[str, Any] = {
    "id": "snapshot-1",
    "state": "running",
    "collection": "users",
    "collection_documents": 12_345,
    "collection_estimate": 20_000,
    "collections": 1,
    "documents": 12_345,
    "estimate": 20_000,
    "documents_per_second": 8100.4,
    "seconds_left": 0.9,
}
ENDED = NOW - timedelta(minutes=3)
SEVERAL = {"collections": 7, "collections_done": 2, "documents": 45_000, "estimate": 90_000, "seconds_left": 65.0}


def status(**changes: Any) -> SnapshotStatus:
    return SnapshotStatus(**{**VALUES, **changes})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "users 12,345 of about 20,000 · 8,100/s · about 1s left"),
        (
            SEVERAL,
            "45,000 of about 90,000 documents · users 12,345 of about 20,000 · collection 3 of 7 · 8,100/s · about 1m5s left",
        ),
        ({"collection_estimate": None, "estimate": None, "seconds_left": None}, "users 12,345 · 8,100/s"),
        ({"collection": "", "documents_per_second": 0.0, "seconds_left": None}, "12,345 of about 20,000 documents"),
        ({"documents_per_second": 0.4, "seconds_left": None}, "users 12,345 of about 20,000 · 0.4/s"),
        ({"waits_for": "the stream is behind"}, "waits at 12,345 of about 20,000 documents: the stream is behind"),
        ({"state": "paused"}, "paused at 12,345 of about 20,000 documents"),
        ({"state": "completed", "ended_at": ENDED}, "completed 3m ago: 12,345 documents"),
        (
            {"state": "aborted", "ended_at": ENDED, "error": "changes are missing"},
            "aborted 3m ago, not complete: after 12,345 documents: changes are missing",
        ),
        ({"state": "stopped", "ended_at": ENDED}, "stopped 3m ago, not complete: after 12,345 documents"),
    ],
)
def test_lines(changes: dict[str, Any], line: str) -> None:
    assert snapshot_line(status(**changes), NOW, is_live=True) == f"snapshot {line}"


def test_no_worker_no_rate() -> None:
    line = snapshot_line(status(), NOW, is_live=False)
    assert line == "snapshot stands at 12,345 of about 20,000 documents: no worker goes on with it"


def test_it_is_below_the_table_and_in_the_json() -> None:
    survey = survey_of(dashboard(snapshot=status().as_json()))
    assert plain(survey).splitlines()[2] == "dashboard: snapshot users 12,345 of about 20,000 · 8,100/s · about 1s left"
    assert as_json(survey)["watchers"][0]["snapshot"] == status().as_json()
    assert as_json(survey_of(dashboard()))["watchers"][0]["snapshot"] is None


@pytest.mark.parametrize(("age", "shown"), [(RECENT - timedelta(seconds=1), 1), (RECENT, 0)])
def test_one_that_is_over_is_shown_for_a_while(age: timedelta, shown: int) -> None:
    row = dashboard(snapshot=status(state="completed", ended_at=NOW - age).as_json())
    assert len(list(snapshots(survey_of(row)))) == shown
    assert (watcher_view(row, NOW, {}).snapshot is not None) == bool(shown)


@pytest.mark.parametrize(
    ("changes", "share"), [({}, 0.61725), ({"estimate": None}, None), ({"state": "aborted", "ended_at": ENDED}, None)]
)
def test_the_pages_bar(changes: dict[str, Any], share: float | None) -> None:
    view = watcher_view(dashboard(snapshot=status(**changes).as_json()), NOW, {}).snapshot
    assert view
    assert (view.share, view.is_aborted) == (share, "state" in changes)


def test_a_hostile_name_moves_no_cursor() -> None:
    [line] = snapshots(survey_of(dashboard(snapshot=status(collection="a\x1b[2J\nb").as_json())))
    assert "\x1b" not in line
    assert "\n" not in line
