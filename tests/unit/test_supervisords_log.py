"""supervisord's own log, as it writes it: in this host's local time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watcher.cli import run_command_line
from watcher.fleet.logs.backwards import FIRST_PIECE_BYTES, pieces
from watcher.fleet.logs.lines import Wanted, last_lines, parse
from watcher.fleet.logs.supervisords import MOST_BYTES, fields_of, is_line, last_crash

pytest_plugins = ["tests.support.log_fixtures"]

LOG = """\
2024-01-01 13:00:00,250 INFO spawned: 'shop' with pid 4711
2024-01-01 13:00:01,250 INFO success: shop entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)
2024-01-01 13:00:02,250 WARN exited: shop (exit status 1; not expected)
2024-01-01 13:00:03,250 WARN exited: shop (terminated by SIGSEGV (core dumped); not expected)
2024-01-01 13:00:04,250 INFO spawned: 'shop' with pid 4712
2024-01-01 13:00:05,250 WARN exited: shop (terminated by SIGKILL; not expected)
2024-01-01 13:00:06,250 WARN exited: shop-2 (exit status 1; not expected)
2024-01-01 13:00:07,250 INFO exited: shop (exit status 0; expected)
2024-01-01 13:00:08,250 INFO stopped: shop (terminated by SIGTERM)
"""


@pytest.fixture(autouse=True)
def an_hour_ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose local time is not UTC."""
    monkeypatch.setenv("TZ", "UTC-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def log(log_dir: Path) -> Path:
    """supervisord's log, in a deployment with one watcher that has none."""
    (log_dir / "supervisord.log").write_text(LOG)
    return log_dir / "supervisord.log"


def test_a_line() -> None:
    assert fields_of("2024-01-01 13:00:02,250 WARN exited") == {
        "ts": "2024-01-01T12:00:02.250Z",
        "level": "warning",
        "event": "exited",
    }
    assert fields_of("2024-01-01 13:00:02,250 BLAT x")["level"] == "debug"  # type: ignore[index]  # it is a line


@pytest.mark.parametrize("text", ["", "Traceback", "2024-13-01 13:00:02,250 WARN x", "9999-99-99 13:00:02,250 WARN x", '{"ts": 1}'])
def test_what_is_no_line(text: str) -> None:
    assert fields_of(text) is None


def test_the_last_crash(log: Path) -> None:
    assert last_crash(log, "shop") == (datetime(2024, 1, 1, 12, 0, 5, 250_000, UTC), "killed by SIGKILL")
    assert last_crash(log, "shop-2") == (datetime(2024, 1, 1, 12, 0, 6, 250_000, UTC), "ended with exit code 1")
    assert last_crash(log, "sho") is None
    assert last_crash(log.with_name("none.log"), "shop") is None
    log.write_text("\n".join(LOG.splitlines()[:4]))
    assert last_crash(log, "shop") == (datetime(2024, 1, 1, 12, 0, 3, 250_000, UTC), "killed by SIGSEGV")


def test_a_crash_just_before_the_log_was_rotated(log: Path) -> None:
    log.rename(log.with_name("supervisord.log.1"))
    log.write_text("2024-01-01 13:00:09,250 INFO spawned: 'shop' with pid 4713\n")
    assert last_crash(log, "shop") == (datetime(2024, 1, 1, 12, 0, 5, 250_000, UTC), "killed by SIGKILL")


def test_no_more_than_the_end_of_all_its_files_is_read(log: Path) -> None:
    log.rename(log.with_name("supervisord.log.1"))
    log.write_text("2024-01-01 13:00:09,250 INFO spawned: 'shop' with pid 4713\n" * (MOST_BYTES // 50))
    assert last_crash(log, "shop") is None


def test_only_its_last_piece_is_read_for_its_last_lines(log: Path, read_pieces: list[list[bytes]]) -> None:
    """A line that does not begin as its lines do, as of a traceback, belongs to the one before."""
    log.write_text((LOG + "Traceback\n  20 File\n") * 2000)
    shown = last_lines({"supervisord": log}, 3, Wanted())
    assert [line.text[:10] for line in shown] == ["2024-01-01", "Traceback", "  20 File"]
    (piece,) = read_pieces
    assert piece[0].startswith(b"2024-01-01 ")
    assert sum(map(len, piece)) < FIRST_PIECE_BYTES
    assert [line for part in reversed(list(pieces(log, math.inf, is_line))) for line in part] == log.read_bytes().split(b"\n")[:-1]


def test_its_lines_have_a_time_and_a_level() -> None:
    lines = [line for line in parse("supervisord", LOG.splitlines()) if line in Wanted("warning")]
    assert [line.at.second for line in lines] == [2, 3, 5, 6]
    (of_a_worker,) = parse("shop", LOG.splitlines()[:1])
    assert of_a_worker.fields is None


def test_logs_shows_it_by_its_name_alone(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["logs", "supervisord", "-n", "1"]) == 0
    assert capsys.readouterr().out == "supervisord | 2024-01-01T12:00:08.250Z info    stopped: shop (terminated by SIGTERM)\n"
    assert run_command_line(["logs", "supervisord", "shop", "--level", "warning", "--json", "-n", "1"]) == 0
    told = '{"ts": "2024-01-01T12:00:06.250Z", "level": "warning", "event": "exited: shop-2 (exit status 1; not expected)", '
    assert capsys.readouterr().out == told + '"watcher": "supervisord"}\n'
    assert run_command_line(["logs"]) == 0
    assert run_command_line(["logs", "s*"]) == 0
    assert capsys.readouterr() == ("", "nothing has been logged yet\n" * 2)
