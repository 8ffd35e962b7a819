"""A fleet in the foreground, and in directories that are hard on supervisord."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.stand_in_fleet import DEADLINE_SECONDS, StandIns, settings
from watcher.fleet.errors import FleetError
from watcher.fleet.foreground import run_fleet
from watcher.fleet.logs.lines import Line

pytest_plugins = ["tests.support.stand_in_fixtures"]


def test_a_socket_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="limit") as caught:
        StandIns(tmp_path / ("x" * 100)).start([settings("a")])
    assert "--state-dir" in caught.value.hint


@pytest.mark.parametrize("name", ["100%", "a*b", "a[b]"])
def test_directories_that_supervisord_cannot_work_in_are_refused(name: str, base: Path) -> None:
    with pytest.raises(FleetError, match="cannot work in a directory"):
        StandIns(base / name).start([settings("a")])


@pytest.mark.parametrize("name", ["with space", "über", "quote'd", "a;b"])
def test_other_directories_work(name: str, base: Path) -> None:
    fleet = StandIns(base / name)
    try:
        fleet.start([settings("a")])
        fleet.streaming("a")
    finally:
        fleet.down()


def test_a_base_that_supervisord_refuses_is_told(base: Path) -> None:
    (base / "supervisor").mkdir()
    (base / "supervisor" / "supervisord.conf").write_text("[supervisord]\nlogfile_maxbytes=many\n")
    with pytest.raises(FleetError, match=r"did not start: Error: .*many"):
        StandIns(base).start([settings("a")])


def test_foreground_passes_logs_on_and_ends_with_sigterm(fleet: StandIns) -> None:
    lines: list[Line] = []

    def end_after_first_line(line: Line) -> None:
        lines.append(line)
        os.kill(os.getpid(), signal.SIGTERM)

    assert run_fleet(fleet, [settings("a")], end_after_first_line) == 0
    assert "a started as" in lines[0].text
    assert not fleet.supervisord.is_running()


def test_foreground_says_what_supervisord_could_not_start(fleet: StandIns) -> None:
    """A log of another user's keeps a worker from starting; a directory in its place stops root as well. The others run."""
    (fleet.base / "log" / "b.log").mkdir(parents=True)
    lines: dict[str, Line] = {}

    def end_after_a_line_of_each(line: Line) -> None:
        lines.setdefault(line.watcher, line)
        if lines.keys() == {"a", "b"}:
            os.kill(os.getpid(), signal.SIGTERM)

    give_up = threading.Timer(DEADLINE_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    give_up.start()
    assert run_fleet(fleet, [settings("a"), settings("b")], end_after_a_line_of_each) == 0
    give_up.cancel()
    assert "a started as" in lines["a"].text
    assert json.loads(lines["b"].text)["level"] == "error"
    assert "b could not be started" in lines["b"].text
    assert "EISDIR" in lines["b"].text
