"""Progress on stderr: lines for a pipe, a bar for a terminal."""

from __future__ import annotations

import sys

import pytest

from tests.support.terminal import Terminal
from watcher.cli.phases import phases


def test_a_pipe_gets_a_line_for_whatever_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    with phases() as progress:
        progress("a: starting\nb: starting", 0, 2)
        progress("a: opening\nb: starting", 0, 2)
        progress("a: opening", 1, 2)
        progress("a: starting", 1, 2)
        progress("", 2, 2)
    assert capsys.readouterr().err.splitlines() == ["a: starting", "b: starting", "a: opening", "a: starting"]


def test_a_terminal_gets_one_line_with_all_that_goes_on_now(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", terminal)
    with phases() as progress:
        progress("a: waiting (no [/b] here)\nb: opening", 1, 3)
    shown = terminal.getvalue()
    assert "a: waiting (no [/b] here), b: opening" in shown
    assert "1/3" in shown


def test_a_long_text_is_cut_at_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", terminal)
    with phases() as progress:
        progress("\n".join(f"watcher-{number}: opening" for number in range(60)), 0, 60)
    assert "watcher-0: opening" in terminal.getvalue()
    assert "watcher-59" not in terminal.getvalue()
