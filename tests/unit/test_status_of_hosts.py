"""A watcher that runs on several hosts, as `watcherctl status` and `watcherctl health` of one of them tell of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.status_reports import NOW, dashboard, survey_of
from watcher.cli import run_command_line
from watcher.cli.fleet import observe
from watcher.cli.fleet import status as command
from watcher.fleet.status import Row

SINCE = NOW - timedelta(minutes=3)
TIME = f"{SINCE.astimezone():%H:%M}"
STANDBY = {"state": "standby", "activeHost": "host-b", "activeSince": SINCE, "lastError": None}
FOREIGNER = "process 7 on host-c"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(rows, "status", …)`: exit code and output for a fleet of these rows."""
    (tmp_path / "conf.d").mkdir()

    def run(rows: list[Row], *arguments: str) -> tuple[int, str]:
        for module in (command, observe):
            monkeypatch.setattr(module, "survey_of", lambda *_: survey_of(*rows))
        code = run_command_line([*arguments, "--config", str(tmp_path / "conf.d")])
        return code, capsys.readouterr().out

    return run


def test_a_standby_is_well_and_counted(run: Run) -> None:
    rows = [dashboard(lastError=None), *(replace(dashboard(**STANDBY), name=name) for name in ("crm", "shop"))]
    code, shown = run(rows, "status")
    assert code == 0
    lines = shown.splitlines()
    assert all(f"  standby (active on host-b since {TIME})  " in line for line in lines[2:4])
    assert lines[4] == "of 3 watchers, 1 active here, 2 standby"
    assert run(rows, "health") == (0, "ok: 1 watcher streams, on standby: 2\n")
    assert run(rows, "status", "--check")[0] == 0


def test_without_a_standby_nothing_is_counted(run: Run) -> None:
    assert "standby" not in run([dashboard()], "status")[1]


def test_programs_learn_who_is_active_and_since_when(run: Run) -> None:
    [watcher] = json.loads(run([dashboard(**STANDBY)], "status", "--json")[1])["watchers"]
    assert (watcher["activeHost"], watcher["activeSince"], watcher["foreigner"]) == ("host-b", "2024-01-01T11:57:00.000Z", None)


@pytest.mark.parametrize("state", ["streaming", "standby"])
def test_a_worker_without_a_lease_is_named_and_no_fault(state: str, run: Run) -> None:
    rows = [dashboard(state=state, foreigner=FOREIGNER, lastError=None)]
    code, shown = run(rows, "health")
    assert code == 0
    assert shown.endswith(f"; {FOREIGNER} writes for dashboard without a lease\n")
    lines = run(rows, "status")[1].splitlines()
    assert lines[-2] == f"dashboard: {FOREIGNER} writes for this watcher without a lease"
    assert lines[-1].startswith("    hint: Set high_availability = true there too")


def test_what_a_dead_worker_saw_is_not_told(run: Run) -> None:
    rows = [dashboard(foreigner=FOREIGNER, updatedAt=NOW - timedelta(minutes=5))]
    assert FOREIGNER not in run(rows, "health")[1]


def test_settings_that_differ_are_named(run: Run) -> None:
    rows = [dashboard(**STANDBY, settingsDiffer=["host-b has batch_size = 500, this host 1000"])]
    for arguments in (("status",), ("status", "--check")):
        code, shown = run(rows, *arguments)
        assert code == 0
        assert "dashboard: not the same settings on all hosts: host-b has batch_size = 500, this host 1000\n    hint: " in shown
    [watcher] = json.loads(run(rows, "status", "--json")[1])["watchers"]
    assert watcher["settingsDiffer"] == ["host-b has batch_size = 500, this host 1000"]


@pytest.mark.parametrize("garbage", ["host-b", [7], {"a": 1}])
def test_what_is_no_list_of_texts_is_none(garbage: object) -> None:
    assert dashboard(**STANDBY, settingsDiffer=garbage).report == dashboard(**STANDBY).report
