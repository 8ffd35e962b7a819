"""Workers that hang for so long that they are to be restarted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.status_reports import report_of
from watcher.agent.view.hung import SEEN_SECONDS, HungWorkers, overdue
from watcher.fleet.status import WatcherState, row
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
START = NOW - timedelta(hours=1)
PROCESSES = {"a": Process("a", "RUNNING", pid=7, started_at=int(START.timestamp()))}


def silent_for(seconds: float) -> Survey:
    written = {"pid": 7, "state": "streaming", "startedAt": START, "updatedAt": NOW - timedelta(seconds=seconds)}
    return Survey(NOW, 4700, (row("a", PROCESSES["a"], report_of(written), now=NOW),))


@pytest.mark.parametrize(
    ("seconds", "after", "expected"),
    [(29, 30, []), (31, 30, ["a"]), (100, 120, []), (10_000, 0, []), (15, 1, []), (-31, 30, ["a"]), (-25, 30, [])],
)
def test_silent_for_long_enough(seconds: float, after: float, expected: list[str]) -> None:
    assert overdue(silent_for(seconds), PROCESSES, after) == expected


def test_one_that_somebody_runs_by_hand_is_not_ours() -> None:
    assert silent_for(100).rows[0].state is WatcherState.HUNG
    assert overdue(silent_for(100), {}, 30) == []


def test_a_clock_that_was_set_makes_nobody_hang(tmp_path: Path) -> None:
    """All reports are an hour old when the host wakes up, until the workers have written again."""
    hung = HungWorkers(tmp_path)
    assert hung.due(["a", "b"], 100.0) == []
    assert hung.due(["b"], 102.0) == []
    assert hung.due(["a", "b"], 100.0 + SEEN_SECONDS) == ["b"]
    assert hung.due(["a"], 102.0 + SEEN_SECONDS) == []


def test_where_nobody_can_write_nobody_hangs_and_that_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = tmp_path / "run"
    hung = HungWorkers(run_dir)
    with caplog.at_level(logging.WARNING):
        assert [hung.due(["a"], second) for second in (0.0, 10.0, 20.0)] == [[]] * 3
    assert [record.message for record in caplog.records] == [
        f"workers that look hung are not restarted: nothing can be written to {run_dir}"
    ]
    run_dir.mkdir()
    assert hung.due(["a"], 30.0) == ["a"]
    run_dir.rmdir()
    assert hung.due(["a"], 40.0) == []
    assert len(caplog.records) == 2
