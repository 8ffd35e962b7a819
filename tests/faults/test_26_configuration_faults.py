"""Row 26: faults in the configuration.

Goal: each is named with file, line, key and what to do; a watcher with one does not start, and all others do. The exit code is 78.
Method: one conf.d with a good watcher and one file for each kind of fault, on real servers: `watcherctl check`, then `start --all`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.command_line import CommandLine, command_line
from tests.support.fault_matrix import FaultReport
from tests.support.permissions import BOUND_BY_PERMISSIONS
from tests.support.worker import Inbox, as_toml
from watcher.errors import ExitCode

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

FAULTS: dict[str, tuple[Document, str]] = {
    "typo": ({"watch_colections": ["users"]}, ": unknown key (did you mean 'watch_collections'?)"),
    "number": ({"batch_size": "many"}, ": must be a whole number, not 'many' (digits alone"),
    "uri": ({"mongodb_uri": "mongodb://u:hunter/2@localhost/db"}, ": is not a valid MongoDB URI (in the user name and password"),
    "glob": ({"watch_collections": ["users["]}, ": has a glob with an open bracket: 'users['"),
}
"""By the watcher's name: the setting at fault, and what is said of it after file, line and key."""

NOT_UTF_8 = b"\xff\xfe"


@pytest.fixture
def fleet(settings: Document, database: str) -> Iterator[CommandLine]:
    """A good watcher among faulty ones."""
    with command_line() as here:
        here.configure("good", settings)
        for name, (fault, _) in FAULTS.items():
            here.configure(name, settings | {"kafka_client_id": f"{database}-{name}"} | fault)
        for name in ("twin-a", "twin-b"):
            here.configure(name, settings | {"kafka_client_id": f"{database}-twin"})
        (here.conf_dir / "unreadable.toml").symlink_to("/nowhere")
        (here.conf_dir / "not-text.toml").write_bytes(NOT_UTF_8)
        (here.conf_dir / "broken.toml").write_text("batch_size = \n")
        yield here


def line_of(settings: Document, key: str) -> int:
    """Return the place of `key` in the file of a watcher with these settings."""
    return next(number for number, line in enumerate(as_toml(settings).splitlines(), 1) if line.split(" = ")[0] == key)


def expected_words(settings: Document) -> list[str]:
    """List what must be said of each fault."""
    keyed = [
        f"conf.d/{name}.toml:{line_of(settings | fault, key)} {key}{words}"
        for name, (fault, words) in FAULTS.items()
        for key in fault
    ]
    twin_line = line_of(settings, "kafka_client_id")
    twins = [
        f"conf.d/twin-{one}.toml:{twin_line} kafka_client_id: '{settings['kafka_client_id'].removesuffix('-watcher')}-twin' is also"
        for one in "ab"
    ]
    files = [
        "conf.d/unreadable.toml: cannot be read: No such file or directory (is its name right?",
        "conf.d/not-text.toml:1: is not UTF-8 text (save it as UTF-8)",
        "conf.d/broken.toml:1: is not valid TOML",
    ]
    return [*keyed, *twins, *files]


def test_every_fault_is_named_and_the_others_start(
    fleet: CommandLine, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    checked = fleet.run("check")
    assert checked.returncode == ExitCode.CONFIGURATION
    started = fleet.run("start", "--all", "--wait", "40")
    assert started.returncode == ExitCode.CONFIGURATION
    for words in expected_words(settings):
        assert words in checked.stdout
        assert words in started.stdout
    assert "hunter" not in checked.stdout + started.stdout + started.stderr
    assert "good  streaming" in started.stdout
    db.users.insert_one({"_id": 1})
    inbox.messages(1)
    fault_report.count(faults=len(expected_words(settings)), writes=1, messages=1)


def test_what_only_librdkafka_refuses_ends_the_worker(fleet: CommandLine, settings: Document) -> None:
    """`check` asks librdkafka, which takes a while; `start` does not, but the worker finds out."""
    settings = settings | {"kafka": {"linger.msec": 5}, "kafka_client_id": "property"}
    fleet.configure("property", settings)
    checked = fleet.run("check", "property")
    assert checked.returncode == ExitCode.CONFIGURATION
    line = line_of(settings, "[kafka]") + 1
    assert f"conf.d/property.toml:{line} kafka.linger.msec: librdkafka has no such property" in checked.stdout
    started = fleet.run("start", "property", "--wait", "40")
    assert started.returncode == ExitCode.CONFIGURATION
    assert "linger.msec" in started.stdout
    assert fleet.status("property")["lastError"]["exitCode"] == ExitCode.CONFIGURATION


def test_a_file_that_may_not_be_read(fleet: CommandLine) -> None:
    (fleet.conf_dir / "good.toml").chmod(0)
    checked = fleet.run("check", "good", prefix=BOUND_BY_PERMISSIONS if os.geteuid() == 0 else ())
    assert checked.returncode == ExitCode.CONFIGURATION
    assert "conf.d/good.toml: cannot be read: Permission denied (the user who runs this" in checked.stdout
