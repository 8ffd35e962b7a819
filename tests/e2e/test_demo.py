"""`watcherctl demo` as people run it, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

import pytest

from tests.support.running_command import END_TIMEOUT_S, RunningCommand

pytest_plugins = ["tests.support.running_fixtures"]

pytestmark = pytest.mark.timeout(180)

COMMAND = [sys.executable, "-m", "watcher", "demo"]
CLEAN = "none missing, none twice, all in order"

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ERASE = re.compile(r"\r(?:\x1b\[2K(?:\x1b\[1A)?)+")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
HEADINGS = re.compile(r"^WATCHER +STATE +EVENTS/S +LAG +LAST EVENT +DELIVERED$")
NUMBERS = r"+\d+\.\d +\d+\.\d s +\d+\.\d s ago +\d{2,}"


def running_demo(temporary: Path, *arguments: str) -> RunningCommand:
    return RunningCommand(temporary, "demo", *arguments)


class DemoOnTerminal:
    """A demo as the foreground job of a terminal that is `lines` high and `columns` wide, with what is shown there."""

    def __init__(self, temporary: Path, *arguments: str, lines: int, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._data = b""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=_without_size(os.environ) | {"TMPDIR": str(temporary), "TERM": "xterm-256color"},
        )
        os.close(theirs)

    def read_until(self, pattern: re.Pattern[str] | None = None, timeout_s: float = END_TIMEOUT_S) -> None:
        """Read until the text has the pattern; without one, until nobody has the terminal any more, which shows as an error."""
        deadline = time.monotonic() + timeout_s
        while not (pattern and pattern.search(self.text)):
            assert select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))[0], self.text[-2000:]
            try:
                self._data += os.read(self._ours, 65536)
            except OSError:
                assert pattern is None, self.text
                return

    @property
    def shown(self) -> str:
        """All that was shown, with colours and movements."""
        return self._data.decode(errors="ignore").replace("\r\n", "\n")

    @property
    def text(self) -> str:
        """All that was shown, without them."""
        return ESCAPE.sub("", self.shown)

    def press_ctrl_c(self) -> None:
        os.write(self._ours, b"\x03")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(END_TIMEOUT_S)
        os.close(self._ours)


def _without_size(variables: Mapping[str, str]) -> dict[str, str]:
    """The terminal tells its size; these variables, as some shells and pytest-xdist set them, would say otherwise."""
    return {name: value for name, value in variables.items() if name not in ("LINES", "COLUMNS")}


def frames_of(view: str) -> list[list[str]]:
    """The lines of each drawing of the view; before one, the last is erased."""
    frames = [ESCAPE.sub("", frame).strip("\r\n").splitlines() for frame in ERASE.split(view)]
    return [frame for frame in frames if frame]


def test_shows_both_databases_and_ends_by_itself(temporary: Path, tmp_path: Path) -> None:
    demo = running_demo(temporary, "--seconds", "8", "--rate", "40", "--svg", str(tmp_path / "view.svg"))
    assert demo.end() == 0, demo.err
    lines = demo.out.splitlines()
    for expected in (" insert  dashboard.", " insert  analytics.", " update  ", " delete  "):
        assert any(expected in line for line in lines), expected
    assert all(line[0].isdigit() for line in lines)
    for step in ("MongoDB 6", "Kafka (", "dashboard streams", "analytics streams", "an application that writes 40 times a second"):
        assert step in demo.err
    assert "watcherctl status --config" in demo.err
    assert "dashboard: streaming" in demo.err
    assert CLEAN in demo.err
    copied = int(re.findall(r"(\d+) documents were there", demo.err)[0])
    assert copied > 100
    assert [line for line in lines if "snapshotCompleted" in line]
    assert "Everything has been stopped." in demo.err
    ElementTree.parse(tmp_path / "view.svg")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_runs(temporary: Path, number: signal.Signals) -> None:
    demo = running_demo(temporary)
    demo.reached(" insert  ")
    assert demo.end(number) == 0, demo.err
    assert CLEAN in demo.err
    assert "Everything has been stopped." in demo.err


def test_the_live_view_on_a_terminal_until_ctrl_c(temporary: Path) -> None:
    lines, columns = 24, 100
    with DemoOnTerminal(temporary, lines=lines, columns=columns) as demo:
        for name in ("dashboard", "analytics"):
            demo.read_until(re.compile(rf"^{name} +streaming {NUMBERS}$", re.MULTILINE))
        demo.read_until(re.compile(" delete "))
        demo.press_ctrl_c()
        demo.read_until()
        assert demo.process.wait(END_TIMEOUT_S) == 0, demo.text

    before, _, rest = demo.shown.partition(HIDE_CURSOR)
    view, _, after = rest.rpartition(SHOW_CURSOR)
    assert "an application that writes 20 times a second" in before
    frames = frames_of(view)
    assert len(frames) > 2
    assert all(HEADINGS.match(frame[0]) for frame in frames)
    assert all(len(frame) < lines for frame in frames)
    assert max(len(line.replace("^C", "")) for frame in frames for line in frame) == columns - len("^C")
    for expected in (" insert ", " update ", " dashboard.", " analytics."):
        assert any(expected in line for line in frames[-1]), expected
    assert "Stopping ..." in after
    assert CLEAN in after
    assert after.endswith("Everything has been stopped.\n")
    assert "Traceback" not in demo.text


def test_the_live_view_on_a_small_terminal_ends_by_itself(temporary: Path) -> None:
    lines, columns = 8, 50
    with DemoOnTerminal(temporary, "--seconds", "4", lines=lines, columns=columns) as demo:
        demo.read_until()
        assert demo.process.wait(END_TIMEOUT_S) == 0, demo.text
    view = demo.shown.partition(HIDE_CURSOR)[2].rpartition(SHOW_CURSOR)[0]
    frames = frames_of(view)
    assert max(len(frame) for frame in frames) == lines - 1
    assert max(len(line) for frame in frames for line in frame) <= columns
    assert re.search(r"^\S+ +(insert|update|replace|delete) ", "\n".join(frames[-1]), re.MULTILINE)
    assert CLEAN in demo.text


@pytest.mark.parametrize("step", ["Everything lies in", "Kafka (", "MongoDB 6", "conf.d/dashboard.toml", "supervisord,", "streams"])
def test_ctrl_c_while_it_starts(temporary: Path, step: str) -> None:
    demo = running_demo(temporary)
    demo.reached(step)
    assert demo.end(signal.SIGINT) == 0, demo.err
    assert "Everything has been stopped." in demo.err
    assert "Traceback" not in demo.err


def test_impatient_ctrl_c(temporary: Path) -> None:
    demo = running_demo(temporary)
    demo.reached("supervisord,")
    for _ in range(10):  # half a second, in which it stops its workers
        os.killpg(demo.process.pid, signal.SIGINT)
        time.sleep(0.05)
    assert demo.end() == 0, demo.err
    assert "Everything has been stopped." in demo.err


def test_whoever_reads_may_leave(temporary: Path) -> None:
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    ) as demo:
        assert demo.stdout
        assert demo.stderr
        assert " snapshotStarted " in demo.stdout.readline()
        demo.stdout.close()
        assert "Everything has been stopped." in demo.stderr.read()
        assert demo.wait(END_TIMEOUT_S) == 0


def test_keep_keeps_the_directory(temporary: Path) -> None:
    demo = running_demo(temporary, "--seconds", "1", "--keep")
    assert demo.end() == 0, demo.err
    (kept,) = temporary.iterdir()
    assert f"Kept: {kept}" in demo.err
    assert "dashboard-watcher" in (kept / "conf.d" / "dashboard.toml").read_text()
    assert (kept / "log" / "dashboard.log").read_text()
    subprocess.run(["rm", "-rf", str(kept)], check=True)


def test_a_server_that_does_not_start(temporary: Path) -> None:
    done = subprocess.run(
        COMMAND,
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT_S,
        check=False,
        env={**os.environ, "TMPDIR": str(temporary), "MONGOD": "/bin/false"},
    )
    assert done.returncode == 1
    assert "watcherctl: mongod ended while it was starting." in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_wheels_it_says_what_to_install(temporary: Path) -> None:
    without = "import sys, watcher.sandbox.binaries as b; b._in_wheel = lambda *_: None; from watcher.cli import main; main()"
    environment = {name: value for name, value in os.environ.items() if name not in ("MONGOD", "KAFKA_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", without, "demo"],
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT_S,
        check=False,
        env={**environment, "TMPDIR": str(temporary)},
    )
    assert done.returncode == 1
    assert "in a checkout, pip install '.[sandbox]'" in done.stderr
