"""Imports go one way: cli -> agent, doctor, generate, verification -> fleet, stream, consumer, console, sandbox -> config."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "watcher"

PARTS = frozenset({"fleet", "stream", "consumer", "console", "sandbox"})
SHARED = frozenset({"config", "errors", "librdkafka", "log", "pids", "private"})
ALLOWED = {
    "__init__": frozenset[str](),
    "__main__": frozenset({"cli"}),
    "cli": PARTS | SHARED | {"verification", "agent", "doctor", "generate"},
    "agent": SHARED | {"fleet", "consumer", "console"},
    "doctor": SHARED | {"fleet", "stream", "console"},
    "generate": SHARED | {"fleet"},
    "verification": SHARED | {"stream", "consumer"},
    **dict.fromkeys(PARTS, SHARED),
    "config": frozenset({"errors", "librdkafka"}),
    "librdkafka": frozenset[str](),
    "log": frozenset[str](),
    "pids": frozenset[str](),
    "private": frozenset[str](),
    "errors": frozenset[str](),
}
"""Which parts of the package each part may import, besides itself."""

DRIVERS = {
    "pymongo": ("stream/change_stream.py", "stream/mongodb_*.py"),
    "confluent_kafka": ("stream/kafka_*.py", "stream/position*.py"),
}
"""Inside `stream`, each driver is known only to its end of the data path."""

HEAVY = frozenset({"pymongo", "confluent_kafka", "pydantic", "rich"})
"""What `watcherctl --help` must not wait for."""

NOT_IN_A_WORKER = frozenset(
    {"pydantic", "rich", "jinja2", "prometheus_client", "starlette", "uvicorn", "anyio", "supervisor", "http", "xmlrpc"}
)
"""What other commands need; every worker would keep it in memory for good."""


def imported_names(source: Path, module: str) -> Iterator[str]:
    """Every dotted name that the file imports, wherever in it; relative imports are resolved against `module`."""
    package = module.split(".") if source.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def violations(package: Path) -> list[str]:
    """One line for each import in `package` that the rules forbid."""
    return [
        f"{source.relative_to(package).as_posix()} imports {name}"
        for source in sorted(package.rglob("*.py"))
        for name in imported_names(source, _module(source, package))
        if _is_forbidden(name, source.relative_to(package))
    ]


def _module(source: Path, package: Path) -> str:
    parts = source.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_forbidden(name: str, source: Path) -> bool:
    top, _, rest = name.partition(".")
    part = source.with_suffix("").parts[0]
    if top == "watcher":
        target = rest.partition(".")[0]
        return target in ALLOWED and target not in ALLOWED[part] | {part}
    return part == "stream" and top in DRIVERS and not any(source.match(pattern) for pattern in DRIVERS[top])


def test_imports_go_one_way() -> None:
    assert violations(PACKAGE) == []


def test_every_part_has_a_rule() -> None:
    parts = {source.relative_to(PACKAGE).with_suffix("").parts[0] for source in PACKAGE.rglob("*.py")}
    assert parts <= ALLOWED.keys()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("stream/worker.py", "from watcher.fleet import programs"),
        ("stream/worker.py", "from watcher import cli"),
        ("stream/worker.py", "def late():\n    import watcher.fleet.programs"),
        ("stream/worker.py", "from ..sandbox import mongod"),
        ("stream/__init__.py", "from ..fleet import programs"),
        ("stream/pipeline.py", "from pymongo.errors import PyMongoError"),
        ("stream/change_stream.py", "import confluent_kafka"),
        ("fleet/programs.py", "import watcher.cli.start"),
        ("config/load.py", "from watcher.stream.model import Batch"),
        ("errors.py", "import watcher.config"),
    ],
)
def test_the_check_finds(path: str, code: str, tmp_path: Path) -> None:
    source = tmp_path / "watcher" / path
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(code)
    assert len(violations(tmp_path / "watcher")) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("stream/worker.py", "from .model import Batch\nfrom watcher.config import settings\nfrom watcher import __version__"),
        ("stream/change_stream.py", "import pymongo"),
        ("cli/start.py", "from watcher.fleet import programs\nfrom watcher.stream import worker"),
    ],
)
def test_the_check_allows(path: str, code: str, tmp_path: Path) -> None:
    source = tmp_path / "watcher" / path
    source.parent.mkdir(parents=True)
    source.write_text(code)
    assert violations(tmp_path / "watcher") == []


def test_supervisor_directory_does_not_shadow_the_package() -> None:
    assert list((ROOT / "supervisor").rglob("*.py")) == []


def test_help_imports_no_heavy_library() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "watcher", "--help"]
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT).stderr
    imported = {line.rpartition("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert imported & HEAVY == set()


def test_a_worker_keeps_nothing_that_only_other_commands_need() -> None:
    program = "import sys, watcher.cli.run, watcher.stream.worker; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT
    ).stdout
    imported = {name.partition(".")[0] for name in modules.split()}
    assert {"pymongo", "confluent_kafka", "click"} <= imported
    assert imported & NOT_IN_A_WORKER == set()
