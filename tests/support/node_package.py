"""The package in clients/node, built as it is published, and its inner functions called from Python."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.programs import find_program

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "node"
EXAMPLE = ROOT / "examples" / "node"
PROGRAMS = Path(__file__).parent / "node"
QUIETLY = ("--no-audit", "--no-fund", "--ignore-scripts")


def npm(directory: Path, *arguments: str) -> str:
    """Run npm there; what it has printed."""
    done = subprocess.run(["npm", *arguments], cwd=directory, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_package() -> Path:
    """A directory with the package, its dependencies and its tarball, made once for each content."""
    for program in ("node", "npm"):
        find_program(program)
    sources = [each for each in sorted(CLIENT.rglob("*")) if each.is_file() and not {"node_modules", "dist"} & set(each.parts)]
    home = _home([*sources, EXAMPLE / "package-lock.json"])
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = home / "clients" / "node"
        if not (home / "tarball").exists():
            shutil.rmtree(package, ignore_errors=True)
            shutil.copytree(CLIENT, package, ignore=shutil.ignore_patterns("node_modules", "dist", "*.tgz"))
            shutil.copy(ROOT / "LICENSE", home)
            npm(package, "ci", *QUIETLY)
            npm(package, "pack", "--silent", "--pack-destination", str(home))
            (home / "tarball").write_text(next(home.glob("*.tgz")).name)
    return package


def tarball(package: Path) -> Path:
    """The tarball of a built package."""
    home = package.parents[1]
    return home / (home / "tarball").read_text()


def installed_example() -> Path:
    """A copy of examples/node with its dependencies, beside the package that it uses."""
    home = built_package().parents[1]
    example = home / "examples" / "node"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copytree(EXAMPLE, example, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
        if not (example / "node_modules" / ".package-lock.json").exists():
            npm(example, "ci", *QUIETLY)
    return example


def _home(contents: Iterable[Path]) -> Path:
    digest = hashlib.sha256(b"".join(each.name.encode() + each.read_bytes() for each in contents)).hexdigest()[:16]
    home = ROOT / ".cache" / f"node-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    return home


def in_node(package: Path, function: str, arguments: list[Any]) -> list[Any]:
    """Call a function of tests/support/node/functions.mjs with each argument; what it returned."""
    command = ["node", str(PROGRAMS / "functions.mjs"), str(package / "dist"), function]
    lines = "".join(json.dumps(each) + "\n" for each in arguments)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
