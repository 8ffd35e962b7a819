"""The real watcherctl, in a deployment directory of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.agent import switch_off_agent
from tests.support.worker import as_toml, environment

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 90.0


class CommandLine:
    """`watcherctl` in `base`, where conf.d, run and log are."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.conf_dir = base / "conf.d"
        self.conf_dir.mkdir()
        switch_off_agent(self.conf_dir)

    def configure(self, name: str, settings: Mapping[str, Any]) -> None:
        """Write the file of a watcher."""
        (self.conf_dir / f"{name}.toml").write_text(as_toml(settings))

    def run(self, *arguments: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, started by `prefix`; a traceback on stderr is never right."""
        command = [*prefix, sys.executable, "-m", "watcher", *arguments]
        variables = environment(PYTHONPATH=str(ROOT), NO_COLOR="1")
        done = subprocess.run(command, cwd=self.base, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def status(self, name: str) -> dict[str, Any]:
        """The status file of a watcher."""
        status: dict[str, Any] = json.loads((self.base / "run" / f"{name}.json").read_text())
        return status


@contextmanager
def command_line() -> Iterator[CommandLine]:
    """In a new directory with a short name, for supervisord's socket lies in it; all that was started is ended."""
    with TemporaryDirectory(prefix="wc-") as directory:
        here = CommandLine(Path(directory))
        try:
            yield here
        finally:
            here.run("down")
