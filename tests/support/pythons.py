"""The Pythons that the project claims to run on. `python -m tests.support.pythons` lists all but its own, with their paths."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
ASK = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_path('include'), sep='\\n')"


class Python(NamedTuple):
    """An interpreter. `headers` is None where it has none."""

    version: str
    path: Path
    headers: Path | None


def claimed() -> list[str]:
    """The versions in `pyproject.toml`, such as `3.11`."""
    classifiers: list[str] = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["classifiers"]
    return [match[1] for match in map(CLASSIFIER.fullmatch, classifiers) if match]


def find_python(version: str) -> Python | None:
    """An interpreter of this version, one with headers if there is any; None if the machine has none."""
    found = [python for path in _candidates(version) if (python := _asked(path)) and python.version == version]
    return next((python for python in found if python.headers), found[0] if found else None)


def _candidates(version: str) -> Iterator[Path]:
    """This one, PATH's, and pyenv's, whose commands on PATH do not work for versions that are not chosen."""
    yield Path(sys.executable)
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"))


def _asked(path: Path) -> Python | None:
    done = subprocess.run([path, "-c", ASK], capture_output=True, text=True, timeout=30)
    if done.returncode:
        return None
    version, headers = done.stdout.splitlines()
    return Python(version, path, Path(headers) if Path(headers, "Python.h").exists() else None)


if __name__ == "__main__":
    for claim in claimed():
        if claim != "{}.{}".format(*sys.version_info):
            python = find_python(claim)
            print(claim, python.path if python else "")
