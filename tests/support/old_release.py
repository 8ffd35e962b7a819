"""Release 0.1.0 as a program, taken from the history; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD_COMMIT = "3228a1aae10e7bbdcad7024b8400fde1bef4ca30"
"""The last one whose workers know neither snapshots nor commands nor the lease."""


@pytest.fixture(scope="session")
def old_program(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Give what Python runs for a worker of 0.1.0."""
    directory = tmp_path_factory.mktemp("0.1.0")
    archive = ["git", "archive", "--format=tar", f"--output={directory / 'watcher.tar'}", OLD_COMMIT, "watcher"]
    if not shutil.which("git") or subprocess.run(archive, cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("needs the history in Git: 0.1.0 is taken from there")
    shutil.unpack_archive(directory / "watcher.tar", directory, filter="data")
    return ("-c", f"import sys; sys.path.insert(0, {str(directory)!r}); from watcher.cli import main; main()")
