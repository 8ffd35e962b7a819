"""Workers that hang for so long that they are to be restarted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.status_reports import report_of
from watcher.agent.view.hung import can_write, overdue
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
    ("seconds", "after", "expected"), [(29, 30, []), (31, 30, ["a"]), (100, 120, []), (10_000, 0, []), (15, 1, [])]
)
def test_silent_for_long_enough(seconds: float, after: float, expected: list[str]) -> None:
    assert overdue(silent_for(seconds), PROCESSES, after) == expected


def test_one_that_somebody_runs_by_hand_is_not_ours() -> None:
    assert silent_for(100).rows[0].state is WatcherState.HUNG
    assert overdue(silent_for(100), {}, 30) == []


def test_where_nobody_can_write_nobody_hangs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert can_write(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert not can_write(tmp_path / "gone")
    assert "not restarted" in caplog.text
