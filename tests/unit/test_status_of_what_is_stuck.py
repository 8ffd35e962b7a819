"""Words of `watcherctl status` and `health` about a process that does not work, and of a write that Kafka does not take."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.status_reports import NOW, START, dashboard, survey_of, written
from tests.unit.test_snapshot_line import status
from watcher.cli import run_command_line
from watcher.cli.fleet import observe
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


@pytest.mark.parametrize("throttled", [0, 1.0, 13.3])
def test_a_write_that_kafka_does_not_take(throttled: float) -> None:
    """Kafka may be frozen, refuse every try or be slow: the age tells only of the write. A short throttling is no reason for it."""
    frozen = survey_of(dashboard(deliveringSeconds=23.4, throttledSeconds=throttled, lastError=None))
    told, hint = plain(frozen).splitlines()[-2:]
    assert told == "dashboard: a write to Kafka has been under way for 23 s"
    assert all(words in hint for words in ("broker", "min.insync.replicas", "topic", "watcherctl doctor"))
    assert ("quota" in plain(frozen)) is (throttled >= 1)


def test_health_names_a_slow_write_for_people_and_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf.d").mkdir()
    rows = [dashboard(deliveringSeconds=23.4, lastError=None), replace(dashboard(lastError=None), name="shop")]
    monkeypatch.setattr(observe, "survey_of", lambda *_: survey_of(*rows))
    assert run_command_line(["health", "--json", "--config", str(tmp_path / "conf.d")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["slowWrites"] == ["dashboard"]
    assert document["text"] == "ok: 2 watchers stream; dashboard: a write to Kafka has been under way for 23 s"


@pytest.mark.parametrize(
    "report",
    [
        {"deliveringSeconds": 9.9},
        {"deliveringSeconds": 23.4, "updatedAt": LONG_AGO},
        {"deliveringSeconds": 23.4, "throttledSeconds": 13.4},
    ],
)
def test_what_is_brief_or_not_known_or_has_another_reason_is_not_told(report: dict[str, Any]) -> None:
    assert "under way" not in plain(survey_of(dashboard(**report)))


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
