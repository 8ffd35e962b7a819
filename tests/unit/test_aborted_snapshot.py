"""A snapshot that failed, as `watcherctl status` and `watcherctl health` tell of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.status_reports import NOW, dashboard, survey_of
from tests.unit.test_snapshot_line import status
from watcher.cli import run_command_line
from watcher.cli.fleet import observe
from watcher.cli.fleet import status as command
from watcher.fleet.status import WatcherState

LONG_AGO = NOW - timedelta(days=3)
LINE = "dashboard: snapshot aborted 3d ago, not complete: after 12,345 documents: changes are missing\n"
HINT = "    hint: begin another one: watcherctl snapshot start dashboard\n"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("aborted", "status", …)`: exit code and output, if the last snapshot of `dashboard` ended so."""
    (tmp_path / "conf.d").mkdir()

    def run(state: str, *arguments: str) -> tuple[int, str]:
        ended = status(state=state, ended_at=LONG_AGO, error="changes are missing" if state == "aborted" else None)
        seen = survey_of(dashboard(snapshot=ended.as_json()))
        for module in (command, observe):
            monkeypatch.setattr(module, "survey_of", lambda *_: seen)
        code = run_command_line([*arguments, "--config", str(tmp_path / "conf.d")])
        return code, capsys.readouterr().out

    return run


def test_it_is_shown_with_what_to_do_however_old_it_is(run: Run) -> None:
    code, shown = run("aborted", "status")
    assert code == 6
    assert LINE + HINT in shown


def test_the_check_names_it(run: Run) -> None:
    code, shown = run("aborted", "status", "--check")
    assert code == 6
    assert shown.startswith(LINE + HINT)


def test_programs_learn_of_it(run: Run) -> None:
    code, shown = run("aborted", "status", "--json")
    assert code == 6
    assert json.loads(shown)["watchers"][0]["snapshot"]["state"] == "aborted"


def test_probes_do_not_fail_for_it(run: Run) -> None:
    code, shown = run("aborted", "health")
    assert (code, shown) == (0, "ok: 1 watcher streams; the last snapshot of dashboard was aborted\n")


@pytest.mark.parametrize("state", ["running", "paused", "completed", "stopped"])
def test_no_other_end_is_a_fault(run: Run, state: str) -> None:
    for arguments in (("status",), ("status", "--check"), ("health",)):
        code, shown = run(state, *arguments)
        assert (code, "aborted" in shown) == (0, False)


def test_a_disabled_watcher_may_have_one() -> None:
    aborted: dict[str, Any] = status(state="aborted", ended_at=LONG_AGO).as_json()
    assert dashboard(snapshot=aborted).has_aborted_snapshot
    assert not replace(dashboard(snapshot=aborted), state=WatcherState.DISABLED).has_aborted_snapshot
    assert not dashboard().has_aborted_snapshot
