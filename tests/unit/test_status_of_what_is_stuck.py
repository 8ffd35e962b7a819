"""Words of `watcherctl status` and `health` about a process that does not work, and of a Kafka that does not answer a write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.status_reports import NOW, START, dashboard, survey_of, written
from tests.unit.test_snapshot_line import status
from watcher.cli.fleet.observe import _unanswered
from watcher.cli.fleet.status_view import plain
from watcher.fleet.status import row
from watcher.fleet.supervisord import Process
from watcher.fleet.troubles import MEANINGS

LONG_AGO = NOW - timedelta(minutes=5)
STALLED = {"serverTime": 1_704_110_400, "positionTime": 1_704_110_000, "lastCommitAt": LONG_AGO, "startedAt": LONG_AGO}


@pytest.mark.parametrize(
    "report",
    [
        pytest.param({"updatedAt": LONG_AGO}, id="hung"),
        pytest.param({"state": "later"}, id="unknown"),
        pytest.param(STALLED, id="stalled"),
    ],
)
def test_why_a_process_does_not_work(report: dict[str, Any]) -> None:
    stuck = dashboard(lastError=None, **report)
    told = [f"dashboard: {MEANINGS[stuck.state]}", "    hint: watcherctl logs dashboard; then watcherctl restart dashboard"]
    assert plain(survey_of(stuck)).splitlines()[-2:] == told


def test_a_kafka_that_does_not_answer_a_write() -> None:
    frozen = survey_of(dashboard(deliveringSeconds=23.4, lastError=None))
    told, hint = plain(frozen).splitlines()[-2:]
    assert told == "dashboard: Kafka has not answered for 23 s"
    assert "watcherctl doctor" in hint
    assert _unanswered(frozen) == [told]


@pytest.mark.parametrize(
    "report",
    [
        {"deliveringSeconds": 9.9},
        {"deliveringSeconds": 23.4, "updatedAt": LONG_AGO},
        {"deliveringSeconds": 23.4, "throttledSeconds": 9},
    ],
)
def test_what_is_brief_or_not_known_or_has_another_reason_is_not_told(report: dict[str, Any]) -> None:
    assert "not answered" not in plain(survey_of(dashboard(**report)))


def test_after_a_stop_what_is_over_is_no_news() -> None:
    ended = status(state="completed", ended_at=LONG_AGO).as_json()
    of_running = plain(survey_of(dashboard(snapshot=ended)))
    assert "Kafka cannot be reached (2m ago, over)" in of_running
    assert "snapshot completed" in of_running
    process = Process("dashboard", "STOPPED", started_at=int(START.timestamp()))
    stopped = row("dashboard", process, written(state="stopped", snapshot=ended), now=NOW)
    assert len(plain(survey_of(stopped)).splitlines()) == 2
    aborted = row("dashboard", process, written(state="stopped", snapshot=status(state="aborted").as_json()), now=NOW)
    assert "snapshot start dashboard" in plain(survey_of(aborted))
