"""Imports go one way, and MongoDB's and Kafka's drivers are known to their wings alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "watcher"

SHARED = frozenset({"config", "errors", "librdkafka", "log", "pids", "private"})
VALUES = SHARED | {"model", "oplog"}
"""What travels the data path, and what all share."""

ALLOWED: dict[str, frozenset[str]] = {
    "__init__": frozenset(),
    "__main__": frozenset({"cli"}),
    # Any of them.
    "cli": VALUES
    | {"agent", "consumer", "doctor", "fleet", "generate", "mongodb", "position", "sandbox", "terminal", "verification", "worker"},
    # Around the workers.
    "agent": SHARED | {"fleet", "consumer", "terminal"},
    "doctor": VALUES | {"fleet", "kafka", "mongodb", "terminal", "worker"},
    "generate": SHARED | {"fleet"},
    "verification": VALUES | {"bson_elements", "consumer", "kafka", "messages", "mongodb"},
    "fleet": SHARED,
    "consumer": SHARED,
    "sandbox": SHARED,
    "terminal": SHARED,
    # The data path: the worker puts together what does not know of each other.
    "worker": VALUES | {"kafka", "messages", "mongodb", "stream"},
    "position": VALUES | {"kafka", "messages", "stream"},
    "stream": VALUES | {"messages", "mongodb"},
    "mongodb": VALUES | {"bson_elements"},
    "messages": VALUES | {"bson_elements"},
    "kafka": VALUES,
    # What all share.
    "bson_elements": frozenset(),
    "model": frozenset({"oplog"}),
    "oplog": frozenset(),
    "config": frozenset({"errors", "librdkafka"}),
    "librdkafka": frozenset(),
    "log": frozenset(),
    "pids": frozenset(),
    "private": frozenset(),
    "errors": frozenset(),
}
"""Which parts of the package each part may import, besides itself."""

DRIVERS = {
    "pymongo": ("mongodb/*", "config/drivers.py", "doctor/mongodb.py", "sandbox/mongod.py", "sandbox/traffic.py"),
    "confluent_kafka": (
        "kafka/*",
        "config/drivers.py",
        "consumer/*",
        "doctor/kafka*.py",
        "doctor/position.py",
        "position/*",
        "sandbox/kafka.py",
    ),
}
"""Who may import each driver."""

MOST_MODULES = {"cli": 34, "config": 36, "consumer": 37, "agent": 26}
"""Packages that have outgrown the twenty of the others; these only shrink."""

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
    return top in DRIVERS and not any(source.match(pattern) for pattern in DRIVERS[top])


def test_imports_go_one_way() -> None:
    assert violations(PACKAGE) == []


def test_every_part_has_a_rule() -> None:
    parts = {source.relative_to(PACKAGE).with_suffix("").parts[0] for source in PACKAGE.rglob("*.py")}
    assert parts <= ALLOWED.keys()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("worker/worker.py", "from watcher.fleet import programs"),
        ("worker/worker.py", "from watcher import cli"),
        ("worker/worker.py", "def late():\n    import watcher.fleet.programs"),
        ("stream/pipeline.py", "from ..sandbox import mongod"),
        ("stream/__init__.py", "from ..fleet import programs"),
        ("stream/pipeline.py", "from watcher.kafka.sink import KafkaSink"),
        ("stream/pipeline.py", "from pymongo.errors import PyMongoError"),
        ("mongodb/change_stream.py", "import confluent_kafka"),
        ("mongodb/change_stream.py", "from watcher.kafka import sink"),
        ("kafka/sink.py", "from watcher.worker.previous_run import Past"),
        ("messages/encoder.py", "from watcher.mongodb import split_events"),
        ("fleet/programs.py", "import watcher.cli.start"),
        ("config/load.py", "from watcher.model import Batch"),
        ("errors.py", "import watcher.config"),
        ("verification/source.py", "from pymongo import MongoClient"),
        ("verification/records.py", "from confluent_kafka import Consumer"),
        ("doctor/host.py", "from confluent_kafka import KafkaError"),
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
        ("stream/pipeline.py", "from .ports import Source\nfrom watcher.config import settings\nfrom watcher import __version__"),
        ("mongodb/change_stream.py", "import pymongo"),
        ("cli/run.py", "from watcher.fleet import programs\nfrom watcher.worker import worker"),
    ],
)
def test_the_check_allows(path: str, code: str, tmp_path: Path) -> None:
    source = tmp_path / "watcher" / path
    source.parent.mkdir(parents=True)
    source.write_text(code)
    assert violations(tmp_path / "watcher") == []


def test_no_package_has_grown_beyond_what_a_list_shows() -> None:
    crowded = {path.parent: 0 for path in PACKAGE.rglob("*.py")}
    for path in PACKAGE.rglob("*.py"):
        crowded[path.parent] += path.name != "__init__.py"
    assert {path.name: count for path, count in crowded.items() if count > MOST_MODULES.get(path.name, 20)} == {}


def public_classes(package: Path) -> Iterator[tuple[str, str]]:
    """Name and file of each public class at the top level of a module."""
    for source in sorted(package.rglob("*.py")):
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, source.relative_to(package).as_posix()


def classes_with_one_name(package: Path) -> dict[str, list[str]]:
    """Files by the names that several public classes have."""
    files: dict[str, list[str]] = {}
    for name, file in public_classes(package):
        files.setdefault(name, []).append(file)
    return {name: where for name, where in files.items() if len(where) > 1}


def test_no_two_public_classes_have_one_name() -> None:
    assert classes_with_one_name(PACKAGE) == {}


def test_the_check_finds_two_classes_of_one_name(tmp_path: Path) -> None:
    for name in ("one.py", "other.py"):
        (tmp_path / name).write_text("class Source:\n    pass\n\n\nclass _Hidden:\n    pass\n")

    assert classes_with_one_name(tmp_path) == {"Source": ["one.py", "other.py"]}


def repeated_keys(source: Path) -> list[str]:
    """Keys that a dict literal of the file gives twice: only the last value of such a key counts."""
    literals = [node for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.Dict)]
    return [
        key
        for literal in literals
        for key, times in Counter(ast.unparse(key) for key in literal.keys if key is not None).items()
        if times > 1
    ]


def test_no_dict_literal_has_a_key_twice() -> None:
    found = {source.relative_to(PACKAGE).as_posix(): repeated_keys(source) for source in PACKAGE.rglob("*.py")}
    assert {file: keys for file, keys in found.items() if keys} == {}


def test_the_check_finds_a_repeated_key(tmp_path: Path) -> None:
    source = tmp_path / "page_model.py"
    source.write_text("MEANINGS = {State.STALLED: 1, State.HUNG: 2, State.STALLED: 3, **MORE, **OTHERS}\n")
    assert repeated_keys(source) == ["State.STALLED"]


def test_supervisor_directory_does_not_shadow_the_package() -> None:
    assert list((ROOT / "supervisor").rglob("*.py")) == []


def test_help_imports_no_heavy_library() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "watcher", "--help"]
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT).stderr
    imported = {line.rpartition("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert imported & HEAVY == set()


def test_a_worker_keeps_nothing_that_only_other_commands_need() -> None:
    program = "import sys, watcher.cli.run, watcher.worker.worker; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT
    ).stdout
    imported = {name.partition(".")[0] for name in modules.split()}
    assert {"pymongo", "confluent_kafka", "click"} <= imported
    assert imported & NOT_IN_A_WORKER == set()
