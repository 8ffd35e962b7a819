"""The real watcherctl in a deployment directory of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.agent import switch_off_agent
from tests.support.worker import as_toml, environment

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 100


class WatcherctlDirectory:
    """A directory with conf.d/, run/ and log/. Its fleet is taken down with the `with` block.

    It lies directly in /tmp: the path of supervisord's socket may not be longer than about 95 characters.
    """

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="wd-", dir="/tmp")
        self.path = Path(self._directory.name)
        self.conf_dir = self.path / "conf.d"
        self.conf_dir.mkdir()
        self.prefix: tuple[str, ...] = ()
        """Command that runs watcherctl, such as with another user's rights."""
        switch_off_agent(self.conf_dir)

    def write_env(self, name: str, text: str) -> None:
        """A watcher in the guide's own format."""
        (self.conf_dir / f"{name}.env").write_text(text)

    def write_toml(self, name: str, settings: Mapping[str, Any]) -> None:
        """A watcher in ours."""
        (self.conf_dir / f"{name}.toml").write_text(as_toml(settings))

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`watcherctl` with these arguments; it must end with `code` and without a traceback."""
        result = subprocess.run(
            [*self.prefix, sys.executable, "-m", "watcher", *arguments],
            cwd=self.path,
            env=environment(PYTHONPATH=str(ROOT), NO_COLOR="1"),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert result.returncode == code, f"{result.returncode}\n{result.stdout}{result.stderr}\n{self.logs}"
        assert "Traceback" not in result.stdout + result.stderr
        return result

    def status(self, name: str) -> dict[str, Any]:
        """A worker's status file; empty while there is none."""
        path = self.path / "run" / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def logs(self) -> str:
        """Return what the workers and supervisord have logged."""
        return "".join(path.read_text() for path in sorted((self.path / "log").glob("*.log")))

    @property
    def written(self) -> str:
        """Every file that was made beside conf.d/."""
        texts = []
        for path in self.path.rglob("*"):
            with suppress(FileNotFoundError):  # a worker has just put a new status file into the place of the old one
                texts += [path.read_text(errors="replace")] if path.is_file() and self.conf_dir not in path.parents else []
        return "".join(texts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.run("down")
        finally:
            self._directory.cleanup()
