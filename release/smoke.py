"""Installs what is in dist/ into empty environments of each Python that the project claims, and goes the whole way on each.

The way is that of docs/quick-start.md: a database of a real MongoDB, a watcher under supervisord, the small broker, `tail`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from release.build import DIST, ROOT
from release.quick_start import ENVIRONMENT, PAGE, Servers, commands, down, follow, servers
from tests.support.pythons import claimed, find_python

INSTALLED = 3
"""Commands of the page that only install: their work is done here."""


def main() -> None:
    """Try each, and print a line for it. Errors: CalledProcessError, AssertionError; SystemExit if a Python is missing."""
    pythons = {version: find_python(version) for version in claimed()}
    if missing := [version for version, python in pythons.items() if python is None]:
        sys.exit(f"Not on this machine: Python {', '.join(missing)}. A release is tried on each.")
    with tempfile.TemporaryDirectory(prefix="ws-", dir="/tmp", ignore_cleanup_errors=True) as name, servers(Path(name)) as given:
        for number, (python, built) in enumerate(_trials([python.path for python in pythons.values() if python])):
            directory = Path(name) / str(number)
            print(f"{built.name}: {_try(python, built, directory, given)}", flush=True)


def _trials(pythons: list[Path]) -> Iterator[tuple[Path, Path]]:
    """The wheel on each Python, and the sdist on the oldest."""
    [wheel], [sdist] = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    yield from ((python, wheel) for python in pythons)
    yield pythons[0], sdist


def _try(python: Path, built: Path, directory: Path, given: Servers) -> str:
    """Go the whole way; return what `watcherctl version` says."""
    environment = directory / ENVIRONMENT
    (directory / "conf.d").mkdir(parents=True)
    (directory / "conf.d" / "agent.toml").write_text("port = 0\n")
    pip = [environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "venv", environment], check=True)
    subprocess.run([*pip, "install", "--require-hashes", "--requirement", ROOT / "requirements.lock"], check=True)
    subprocess.run([*pip, "install", "--no-deps", built], check=True)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    try:
        follow(directory, given, commands(PAGE.read_text(encoding="utf-8"))[INSTALLED:])
    finally:
        down(directory)
    asked = [environment / "bin" / "watcherctl", "version"]
    return " ".join(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split())


if __name__ == "__main__":
    main()
