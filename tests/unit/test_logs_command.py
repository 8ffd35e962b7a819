"""`watcherctl logs` where there is nothing to show: silence would leave whoever is on call in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.cli import run_command_line

pytest_plugins = ["tests.support.log_fixtures"]

STREAMS = '{"ts": "2024-01-01T12:00:00.000Z", "level": "info", "event": "streaming"}\n'


@pytest.fixture
def log(log_dir: Path) -> Path:
    """The log of the only watcher, which has never run."""
    return log_dir / "shop.log"


def test_nothing_has_been_logged(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["logs"]) == 0
    assert capsys.readouterr() == ("", "nothing has been logged yet\n")


@pytest.mark.parametrize("options", [["--level", "error"], ["--since", "1h"]])
def test_no_line_is_asked_for(options: list[str], log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_text(STREAMS)
    assert run_command_line(["logs", *options]) == 0
    assert capsys.readouterr() == ("", "no such line has been logged\n")
    assert run_command_line(["logs"]) == 0
    assert capsys.readouterr().err == ""
