"""A command of watcherctl that runs until it is told to end, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.waiting import eventually

END_TIMEOUT_S = 60


def processes_of(directory: Path) -> list[str]:
    """The processes that have `directory` in their command line, or work in it, except this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(str(directory) in text for text in [*process.cmdline(), process.cwd()]):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        except psutil.Error:  # it has just ended, or is another user's
            continue
    return found


class RunningCommand:
    """A command of watcherctl in a process group of its own, as a shell would start it. Its temporary files are in `temporary`."""

    def __init__(self, temporary: Path, *arguments: str, cwd: Path | None = None) -> None:
        self._out, self._err = temporary.with_suffix(".out"), temporary.with_suffix(".err")
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watcher", *arguments],
                cwd=cwd,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(temporary)},
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def reached(self, text: str) -> None:
        def look() -> bool:
            assert self.process.poll() is None, self.err
            return text in self.out + self.err

        eventually(look, 60)

    def end(self, number: signal.Signals | None = None) -> int:
        """As Ctrl-C in a terminal does it: the signal goes to the whole process group."""
        if number:
            os.killpg(self.process.pid, number)
        return self.process.wait(END_TIMEOUT_S)
