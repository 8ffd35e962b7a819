"""Imports go one way, and MongoDB's and Kafka's drivers are known to their wings alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python  # rules of the source

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "watcher"

SHARED = frozenset({"config", "errors", "librdkafka", "log", "aws", "operations", "pids", "private"})
VALUES = SHARED | {"bson_elements", "iso_time", "model", "oplog"}
"""Values that travel the data path, and what all share."""

ALLOWED: dict[str, frozenset[str]] = {
    "__init__": frozenset(),
    "__main__": frozenset({"cli"}),
    # Any of them.
    "cli": VALUES
    | {"agent", "consumer", "doctor", "fleet", "generate", "live_commands", "mongodb", "position", "sandbox", "snapshot", "status"}
    | {"terminal", "transform", "verification", "worker"},
    # Around the workers.
    "agent": SHARED | {"fleet", "consumer", "live_commands", "status", "terminal"},
    "live_commands": VALUES | {"fleet", "position", "snapshot", "status", "worker"},
    "doctor": VALUES | {"fleet", "kafka", "messages", "mongodb", "registry", "snapshot", "status", "terminal", "worker"},
    "generate": SHARED | {"fleet"},
    "verification": VALUES | {"bson_elements", "consumer", "decoding", "kafka", "messages", "mongodb"},
    "fleet": SHARED | {"status"},
    "consumer": SHARED | {"decoding", "registry"},
    "registry": frozenset({"config", "decoding", "errors"}),
    "decoding": frozenset({"errors", "iso_time", "log", "operations"}),
    "sandbox": SHARED,
    "terminal": SHARED | {"status"},
    # The data path: the worker puts together what does not know of each other.
    "worker": VALUES | {"kafka", "messages", "mongodb", "registry", "snapshot", "status", "stream", "transform"},
    "position": VALUES | {"kafka", "messages", "registry", "snapshot", "stream"},
    "snapshot": VALUES | {"bson_elements", "mongodb"},
    "stream": VALUES | {"messages", "mongodb"},
    "mongodb": VALUES | {"bson_elements"},
    "messages": VALUES | {"bson_elements"},
    "transform": VALUES | {"messages"},
    "kafka": VALUES,
    # What all share.
    "bson_elements": frozenset(),
    "iso_time": frozenset(),
    "model": frozenset({"oplog"}),
    "oplog": frozenset(),
    "status": frozenset({"log", "private"}),  # not for the data path: only a worker tells of itself
    "config": frozenset({"errors", "librdkafka", "aws", "operations"}),
    "librdkafka": frozenset(),
    "aws": frozenset({"errors"}),
    "log": frozenset(),
    "operations": frozenset(),
    "pids": frozenset(),
    "private": frozenset(),
    "errors": frozenset(),
}
"""Parts of the package that each part may import, besides itself."""

DRIVERS = {
    "pymongo": (
        "mongodb/*",
        "config/mongodb/pymongo_refusals.py",
        "doctor/mongodb/server.py",
        "sandbox/mongod.py",
        "sandbox/traffic.py",
    ),
    "confluent_kafka": (
        "kafka/*",
        "config/kafka/librdkafka_refusals.py",
        "consumer/*",
        "doctor/kafka/*.py",
        "doctor/position.py",
        "librdkafka.py",
        "position/*",
        "sandbox/kafka.py",
    ),
    "pydantic": ("fleet/agent_state.py", "messages/peer_schema.py", "messages/schema.py", "verification/mapping.py"),
}
"""Files that may import each driver, and a library that no worker must keep; `*` stands for any path."""

ROOMS: dict[str, frozenset[str]] = {
    "agent/http": frozenset({"lanes", "metrics", "page", "view"}),
    "agent/metrics": frozenset({"files"}),
    "agent/page": frozenset({"files", "lanes", "view"}),
    "agent/view": frozenset({"files", "metrics"}),
    "cli/delivery": frozenset({"exit_codes", "options", "phases", "since", "standard_output"}),
    "cli/demo": frozenset({"deployment", "exit_codes", "fleet", "interruption", "standard_output"}),
    "cli/deployment": frozenset({"exit_codes", "options", "phases", "standard_output"}),
    "cli/fleet": frozenset({"exit_codes", "options", "phases", "since"}),
    "config/files": frozenset({"fault", "settings"}),
    "config/kafka": frozenset({"addresses", "checks", "fault", "topics"}),
    "config/mongodb": frozenset({"addresses", "fault", "masking"}),
    "config/topics": frozenset({"fault", "mongodb"}),
    "consumer/delivery": frozenset({"change", "connection", "delivered", "errors", "offsets", "options", "registration"}),
    "consumer/offsets": frozenset({"change", "connection", "delivered", "errors", "kafka_errors"}),
    "consumer/ordering": frozenset({"change", "delivered"}),
    "consumer/reading": frozenset({"connection", "delivered", "kafka_errors", "offsets", "ordering"}),
    "consumer/registration": frozenset({"change", "errors"}),
    "doctor/kafka": frozenset({"check", "clocks"}),
    "doctor/mongodb": frozenset({"check", "clocks"}),
    "fleet/changes": frozenset({"programs"}),
    "fleet/logs": frozenset(),
    "kafka/transactions": frozenset({"errors"}),
    "messages/envelopes": frozenset({"row_values"}),
    "messages/serializations": frozenset({"envelopes", "row_values"}),
    "worker/reporting": frozenset({"memory", "previous_run", "systemd"}),
}
"""Rooms and modules of its own wing that each room may import, besides itself. The wing's other modules may import them all."""
WITHIN_MESSAGES: dict[str, tuple[str, ...]] = {
    "envelopes": ("bson", "orjson", "watcher.bson_elements", "watcher.messages.serializations"),
    "serializations": ("watcher.model", "watcher.config"),
}
"""Modules barred from the halves of a format: an envelope knows no bytes, and a serialization neither messages nor settings."""

MOST_MODULES = 20
"""Most modules of a package: a longer list of files cannot be taken in at a glance, and needs rooms."""

HEAVY = frozenset({"pymongo", "confluent_kafka", "pydantic", "rich"})
"""Packages that `watcherctl --help` must not wait for."""

NOT_IN_A_WORKER = frozenset(
    {"pydantic", "rich", "jinja2", "prometheus_client", "starlette", "uvicorn", "anyio", "supervisor", "http", "xmlrpc"}
)
"""Packages that other commands need; every worker would keep them in memory for good."""

OURS_NOT_IN_A_WORKER = (
    "fleet",
    "messages.serializations.avro",
    "mongodb.collection_reader",
    "mongodb.snapshot_queries",
    "position.change",
    "position.takeover",
    "registry.client",
    "snapshot",
    "transform",
)
"""Parts of the package that a worker loads only when it copies documents, or never."""


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
    if top == "watcher":
        return _leaves_its_part(rest, source) or _leaves_its_room(rest, source)
    return top in DRIVERS and not any(fnmatchcase(source.as_posix(), pattern) for pattern in DRIVERS[top])


def _leaves_its_part(name: str, source: Path) -> bool:
    part, target = source.with_suffix("").parts[0], name.partition(".")[0]
    return target in ALLOWED and target not in ALLOWED[part] | {part}


def _leaves_its_room(name: str, source: Path) -> bool:
    room = source.parent.as_posix()
    wing, _, target = name.partition(".")
    if room not in ROOMS or wing != source.parts[0]:
        return False
    return target.partition(".")[0] not in ROOMS[room] | {source.parts[1]}


def test_imports_go_one_way() -> None:
    assert violations(PACKAGE) == []


def test_envelopes_and_serializations_are_apart() -> None:
    found = [
        f"{source.name} imports {name}"
        for directory, forbidden in WITHIN_MESSAGES.items()
        for source in (PACKAGE / "messages" / directory).glob("*.py")
        for name in imported_names(source, _module(source, PACKAGE))
        if any(name == other or name.startswith(f"{other}.") for other in forbidden)
    ]
    assert found == []


def test_the_stream_knows_no_json() -> None:
    sources = (PACKAGE / "stream").glob("*.py")
    assert not {name for source in sources for name in imported_names(source, _module(source, PACKAGE))} & {"json", "orjson"}


def test_every_part_has_a_rule() -> None:
    parts = {source.relative_to(PACKAGE).with_suffix("").parts[0] for source in PACKAGE.rglob("*.py")}
    assert parts <= ALLOWED.keys()


def test_every_room_has_a_rule() -> None:
    rooms = {source.parent.relative_to(PACKAGE) for source in PACKAGE.rglob("*.py")}
    assert {room.as_posix() for room in rooms if len(room.parts) > 1} == ROOMS.keys()


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
        ("kafka/sink.py", "from watcher.worker.previous_run import PreviousRun"),
        ("messages/encoder.py", "from watcher.mongodb import split_events"),
        ("fleet/programs.py", "import watcher.cli.fleet.control"),
        ("config/loader.py", "from watcher.model import Batch"),
        ("errors.py", "import watcher.config"),
        ("config/files/toml_file.py", "from watcher.config.loader import load"),
        ("config/files/toml_file.py", "from watcher.config import Settings"),
        ("config/kafka/brokers.py", "from pymongo.uri_parser import parse_uri"),
        ("config/kafka/brokers.py", "from confluent_kafka import Producer"),
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
        ("config/loader.py", "from watcher.config.files import conf_dir"),
        ("config/kafka/brokers.py", "from watcher.config.topics.template import LONGEST_TOPIC"),
        ("cli/fleet/run.py", "from watcher.fleet import programs\nfrom watcher.worker import worker"),
    ],
)
def test_the_check_allows(path: str, code: str, tmp_path: Path) -> None:
    source = tmp_path / "watcher" / path
    source.parent.mkdir(parents=True)
    source.write_text(code)
    assert violations(tmp_path / "watcher") == []


def packages() -> list[Path]:
    """The directories of all packages, the outermost first."""
    return sorted({path.parent for path in PACKAGE.rglob("*.py")})


def test_no_package_has_grown_beyond_what_a_list_shows() -> None:
    sizes = {package.relative_to(PACKAGE).as_posix(): len(list(package.glob("*.py"))) - 1 for package in packages()}
    assert {package: count for package, count in sizes.items() if count > MOST_MODULES} == {}


def untold(docstring: str) -> list[str]:
    """Parts that a package's docstring lacks of three sentences: what it is, what it imports, and what belongs there."""
    missing = [] if len(re.findall(r"\. ", docstring.replace("\n", " ") + " ")) >= 3 else ["three sentences"]
    return missing + [word for word in ("import", "belong") if word not in docstring]


def test_each_package_says_what_it_is_what_it_imports_and_what_belongs_there() -> None:
    told = {package: ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) for package in packages()}
    missing = {package.relative_to(PACKAGE).as_posix(): untold(docstring or "") for package, docstring in told.items()}
    assert {package: words for package, words in missing.items() if words} == {}


def test_the_check_finds_what_a_package_does_not_tell() -> None:
    assert untold("Draws messages. It imports nothing.") == ["three sentences", "belong"]


def public_classes(package: Path) -> Iterator[tuple[str, str]]:
    """Name and file of each public class at the top level of a module."""
    for source in sorted(package.rglob("*.py")):
        file = source.relative_to(package).as_posix()
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, file


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


def paths_made_of(source: Path, directories: frozenset[str] = frozenset({"run_dir", "log_dir"})) -> list[str]:
    """Expressions of the file that make the path of a file in one of these directories."""
    divisions = [
        node
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    ]
    return [ast.unparse(each) for each in divisions if ast.unparse(each.left).rpartition(".")[2] in directories]


def test_only_the_deployment_knows_where_its_files_are() -> None:
    found = {source.relative_to(PACKAGE).as_posix() for source in PACKAGE.rglob("*.py") if paths_made_of(source)}
    assert found == {"config/deployment.py"}


def test_the_check_finds_a_path_that_somebody_else_makes(tmp_path: Path) -> None:
    source = tmp_path / "view.py"
    source.write_text('logs = here.log_dir / f"{name}.log"\nlock = run_dir / name\nother = run_dir.parent / "conf.d"\n')
    assert paths_made_of(source) == ["here.log_dir / f'{name}.log'", "run_dir / name"]


def test_supervisor_directory_does_not_shadow_the_package() -> None:
    assert list((ROOT / "supervisor").rglob("*.py")) == []


def test_help_imports_no_heavy_library() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "watcher", "--help"]
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT).stderr
    imported = {line.rpartition("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert imported & HEAVY == set()


def test_a_worker_keeps_nothing_that_only_other_commands_need() -> None:
    program = "import sys, watcher.cli.fleet.run, watcher.worker.worker; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT
    ).stdout
    imported = {name.partition(".")[0] for name in modules.split()}
    assert {"pymongo", "confluent_kafka", "click"} <= imported
    assert imported & NOT_IN_A_WORKER == set()
    ours = {name.removeprefix("watcher.") for name in modules.split() if name.startswith("watcher.")}
    assert "mongodb.resuming_stream" in ours
    assert ours & {*OURS_NOT_IN_A_WORKER} == set()
