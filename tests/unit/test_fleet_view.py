"""Output of `status`, `start` and `logs`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from tests.support.status_reports import NOW, START, dashboard, survey_of, written
from watcher.agent.http.health import reason
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.arrivals import worst
from watcher.cli.fleet.log_view import LogView, readable
from watcher.cli.fleet.logs import Since
from watcher.cli.fleet.status import exit_code
from watcher.cli.fleet.status_view import cells, errors, marks, plain, rich_view
from watcher.fleet.logs.lines import Line, parse
from watcher.fleet.status import GONE, Row, WatcherState, row
from watcher.fleet.status_json import as_json
from watcher.fleet.supervisord import Process

DOCUMENT = Path(__file__).parents[2] / "docs" / "status-json.md"


def stopped(**changes: Any) -> Row:
    return row("dashboard", None, written(state="stopped", **changes), now=NOW)


def in_state(state: WatcherState) -> Row:
    return Row(state.value, state, enabled=True)


def test_json_is_what_the_documentation_says() -> None:
    example = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert example
    assert json.dumps(as_json(survey_of(dashboard()))) == json.dumps(json.loads(example[1]))  # the order of the keys, too


def test_the_documentation_names_every_state() -> None:
    text = DOCUMENT.read_text()
    assert [state for state in WatcherState if f"| `{state.replace(' ', '_')}` |" not in text] == []


def test_json_of_a_watcher_that_never_ran_has_the_same_keys() -> None:
    never, ran = (as_json(survey_of(each))["watchers"][0] for each in (in_state(WatcherState.NOT_STARTED), dashboard()))
    assert list(never) == list(ran)


def test_a_line_of_the_table() -> None:
    assert cells(dashboard(), NOW) == ("dashboard", "streaming", "5m", "0.4s", "12.5", "1.0s ago", "1d", "1", "0")
    assert cells(in_state(WatcherState.NOT_STARTED), NOW) == ("NOT_STARTED".lower().replace("_", " "), "not started", *["-"] * 7)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0s"), (9.94, "9.9s"), (12, "12s"), (65, "1m5s"), (7500, "2h5m"), (3603, "1h"), (273_600, "3d4h")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert cells(dashboard(lagSeconds=seconds), NOW)[3] == shown


def test_plain_table_is_aligned_and_ends_with_the_error_and_its_hint() -> None:
    head, line, error, hint = plain(survey_of(dashboard(state="waiting"))).splitlines()
    assert head.index("STATE") == line.index("waiting")
    assert error == "dashboard: Kafka cannot be reached (2m ago)"
    assert hint == "    hint: Is the broker running?"


def test_an_error_cannot_control_the_terminal() -> None:
    hostile = {"at": NOW, "message": "no right on a\x1b[2J\x1b]0;title\x07", "hint": "grant it on a\x1b[2J"}
    *_, error, hint = plain(survey_of(dashboard(state="waiting", lastError=hostile))).splitlines()
    assert (error, hint) == (r"dashboard: no right on a\x1b[2J\x1b]0;title\x07 (0.0s ago)", r"    hint: grant it on a\x1b[2J")


def test_what_would_come_back_in_another_way_is_named() -> None:
    changed, disabled = replace(dashboard(), is_unapplied=True), replace(dashboard(), name="sales", enabled=False)
    stopped_for_good = replace(in_state(WatcherState.DISABLED), enabled=False)
    another = replace(disabled, name="users")
    assert list(marks(survey_of(changed, disabled, stopped_for_good, another))) == [
        "dashboard: changed in conf.d since the start, and not applied",
        "    hint: watcherctl apply",
        "sales, users: disabled, so not started again with supervisord",
        "    hint: watcherctl enable sales users",
    ]
    assert "dashboard: changed in conf.d since the start, and not applied" in plain(survey_of(changed))
    assert list(marks(survey_of(dashboard()))) == []


@pytest.mark.parametrize(
    ("runs", "fault", "words"),
    [
        (True, "shop.toml:3 ...", "runs with its old settings, for its file has a fault: shop.toml:3 ..."),
        (False, "shop.toml:3 ...", "shop.toml:3 ..."),
        (True, GONE, GONE),
    ],
)
def test_a_running_watcher_with_a_fault_in_its_file_is_said_to_run(runs: bool, fault: str, words: str) -> None:
    watcher = dashboard(lastError=None) if runs else stopped(lastError=None)
    assert list(errors(survey_of(replace(watcher, fault=fault)))) == [f"dashboard: {words}"]


def test_a_fault_in_its_file_is_not_why_a_running_watcher_does_not_stream() -> None:
    assert reason(replace(dashboard(state="waiting"), fault="dashboard.toml:3 ...")) == "Kafka cannot be reached"
    assert reason(replace(stopped(), fault="dashboard.toml:3 ...")) == "dashboard.toml:3 ..."


def test_json_tells_what_is_not_applied_and_what_is_over() -> None:
    waiting, streaming = (as_json(survey_of(dashboard(state=state)))["watchers"][0] for state in ("waiting", "streaming"))
    assert [each["lastError"]["over"] for each in (waiting, streaming)] == [False, True]
    running, at_rest = (row("shop", each, None, now=NOW, has_changed=True) for each in (Process("shop", "RUNNING"), None))
    assert [each["unapplied"] for each in as_json(survey_of(running, at_rest))["watchers"]] == [True, False]


def test_terminal_table_holds_the_same() -> None:
    from rich.console import Console

    console = Console(width=150, no_color=True)
    with console.capture() as capture:
        console.print(rich_view(survey_of(dashboard())))
    assert capture.get().split() == plain(survey_of(dashboard())).split()


def test_of_an_error_that_is_over_no_hint_is_left() -> None:
    """It says that the worker keeps trying. After a stop, nothing at all is left of it."""
    assert list(errors(survey_of(dashboard()))) == ["dashboard: Kafka cannot be reached (2m ago, over)"]
    assert list(errors(survey_of(stopped()))) == []


def test_nobody_keeps_trying_when_a_worker_was_stopped_in_an_outage() -> None:
    in_outage = stopped(lastCommitAt=NOW - timedelta(minutes=3))
    assert list(errors(survey_of(in_outage))) == ["dashboard: Kafka cannot be reached (2m ago)"]


def test_the_error_that_ended_a_worker_stays_with_its_hint() -> None:
    given_up = {"at": NOW - timedelta(days=1), "message": "No right", "hint": "Grant it.", "exitCode": 77}
    process = Process("dashboard", "EXITED", started_at=int(START.timestamp()), exit_status=77)
    ended = row("dashboard", process, written(state="failed", lastError=given_up), now=NOW)
    assert list(errors(survey_of(ended))) == ["dashboard: No right (1d ago)", "    hint: Grant it."]


def test_the_error_of_an_earlier_process_is_not_shown() -> None:
    again = Process("dashboard", "RUNNING", pid=4712, started_at=int(NOW.timestamp()))
    opening = row("dashboard", again, written(), now=NOW)
    assert opening.state is WatcherState.OPENING
    assert list(errors(survey_of(opening))) == []
    assert cells(opening, NOW)[3:5] == ("-", "-")


def test_why_a_worker_could_not_be_started_is_shown() -> None:
    process = Process("dashboard", "FATAL", started_at=int(NOW.timestamp()), spawn_error="unknown error making dispatchers: EACCES")
    seen = survey_of(row("dashboard", process, written(), now=NOW))
    assert list(errors(seen)) == ["dashboard: could not be started: unknown error making dispatchers: EACCES"]


def test_no_text_of_others_moves_the_terminals_cursor() -> None:
    """Errors hold what servers have answered, and faults what stands in a file."""
    evil = "\x1b[2J\u202eevil\n"
    told = {"at": NOW, "message": evil, "hint": evil, "exitCode": 1}
    process = Process("dashboard", "FATAL", started_at=int(START.timestamp()), exit_status=1, spawn_error=evil)
    seen = survey_of(row("dashboard", process, written(state="failed", lastError=told), now=NOW, fault=evil))
    assert len(lines := list(errors(seen))) == 4
    assert all(line.isprintable() and "evil" in line for line in lines)


def test_a_hung_worker_has_no_rate_and_no_lag() -> None:
    hung = dashboard(updatedAt=NOW - timedelta(minutes=1))
    assert hung.state is WatcherState.HUNG
    assert cells(hung, NOW)[3:5] == ("-", "-")


@pytest.mark.parametrize(
    ("age", "full", "shown", "seconds"),
    [
        (timedelta(seconds=2), True, "1d", 86_400),
        (timedelta(hours=1), True, "23h", 82_800),
        (timedelta(hours=25), True, "0.0s", -3600),
        (timedelta(hours=1), False, "more than 23h", 82_800),
        (timedelta(hours=25), False, "-", None),  # it had room then, and who knows how it is now
        (timedelta(hours=1), None, "23h", 82_800),  # written by a worker that does not tell
    ],
)
def test_headroom_is_reckoned_on_while_no_worker_runs(age: timedelta, full: bool | None, shown: str, seconds: int | None) -> None:
    seen = stopped(updatedAt=NOW - age, oplogFull=full)
    assert cells(seen, NOW)[6] == shown
    assert as_json(survey_of(seen))["watchers"][0]["headroomSeconds"] == seconds


def test_old_errors_of_a_streaming_watcher_are_not_shown() -> None:
    old = {"at": NOW - timedelta(days=1), "message": "long ago"}
    assert list(errors(survey_of(dashboard(lastError=old)))) == []
    assert "long ago" in next(errors(survey_of(dashboard(lastError=old, state="waiting"))))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([WatcherState.STREAMING, WatcherState.DISABLED], CliExitCode.OK),
        ([WatcherState.STREAMING, WatcherState.WAITING], CliExitCode.UNHEALTHY),
        ([WatcherState.HUNG], CliExitCode.UNHEALTHY),
        ([WatcherState.HUNG, WatcherState.FAILED], CliExitCode.NOT_RUNNING),
        ([WatcherState.STREAMING, WatcherState.NOT_STARTED], CliExitCode.NOT_RUNNING),
    ],
)
def test_exit_codes(states: list[WatcherState], expected: CliExitCode) -> None:
    assert exit_code(survey_of(*map(in_state, states))) is expected


def test_exit_code_without_supervisord() -> None:
    assert exit_code(survey_of(in_state(WatcherState.STOPPED), supervisord_pid=None)) is CliExitCode.NO_SUPERVISORD
    assert exit_code(survey_of(in_state(WatcherState.STREAMING), supervisord_pid=None)) is CliExitCode.OK


def test_a_failure_outweighs_a_time_out() -> None:
    assert worst(CliExitCode.OK, CliExitCode.TIMED_OUT, CliExitCode.FAILED) is CliExitCode.FAILED
    assert worst(CliExitCode.OK) is CliExitCode.OK
    assert worst(CliExitCode.OK, CliExitCode.CONFIGURATION) is CliExitCode.CONFIGURATION
    assert worst(CliExitCode.FAILED, CliExitCode.CONFIGURATION) is CliExitCode.FAILED


def log_line(text: str) -> Line:
    return next(parse("dashboard", [text]))


ENTRY = (
    '{"ts": "2024-01-01T12:00:00.000Z", "level": "info", "event": "opened", "watcher": "dashboard", "n": 3, "why": "a b", "x": "y"}'
)


def test_a_line_of_log() -> None:
    assert readable(log_line(ENTRY)) == '2024-01-01T12:00:00.000Z info    opened n=3 why="a b" x=y'
    assert readable(log_line("Traceback")) == "Traceback"
    hostile = {"ts": "12:00", "level": "info", "event": "watches a\x1b[2J\nfake line", "collection": "b\x1b]0;title\x07"}
    assert readable(log_line(json.dumps(hostile))) == r"12:00 info    watches a\x1b[2J\nfake line collection=b\x1b]0;title\x07"
    assert readable(log_line("raw \x1b[2J")) == r"raw \x1b[2J"


def test_no_line_of_log_controls_the_terminal() -> None:
    evil = "\x1b[2J\u202e\x9b31m\ud800\n"
    told = {"ts": evil, "level": evil, "event": evil, "key": evil, evil: "value"}
    assert readable(log_line(json.dumps(told))).isprintable()
    assert readable(log_line("\tFile \x1b[31mx")) == "\tFile \\x1b[31mx"


def test_lines_of_log_are_named_and_have_no_colours_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    LogView(["dashboard", "x"]).show(log_line("Traceback"))
    LogView(["dashboard"], as_json=True).show(log_line(ENTRY))
    LogView(["dashboard"], as_json=True).show(log_line("Traceback"))
    named, as_logged, raw = capsys.readouterr().out.splitlines()
    assert named == "dashboard | Traceback"
    assert as_logged == ENTRY
    assert json.loads(raw) == {"watcher": "dashboard", "raw": "Traceback"}


def test_since() -> None:
    assert Since().convert("2024-01-01T12:00:00Z", None, None) == NOW
    assert Since().convert("2024-01-01T12:00:00", None, None) == NOW
    ago = datetime.now(UTC) - Since().convert("10m", None, None)
    assert timedelta(minutes=9) < ago < timedelta(minutes=11)
    for nonsense in ("9999999d", "99999999999999999999s", "yesterday"):
        with pytest.raises(click.BadParameter, match="must be like"):
            Since().convert(nonsense, None, None)
