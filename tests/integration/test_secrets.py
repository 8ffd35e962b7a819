"""No password of a fleet can be found in anything but its conf.d."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AclOperation, ResourceType
from pymongo import MongoClient

from tests.support.command_line import CommandLine, command_line
from tests.support.security import GuardedKafka, topics_of
from tests.support.waiting import eventually
from tests.support.worker import Inbox

pytest_plugins = ["tests.support.security_fixtures"]

Document = dict[str, Any]
LOUD = {"debug": "conf,security,broker"}
COMMANDS = (
    ("check",),
    ("check", "--show"),
    ("check", "--show", "--json"),
    ("start", "--all", "--wait", "30"),
    ("status",),
    ("status", "--json"),
    ("logs", "-n", "1000"),
    ("logs", "-n", "1000", "--level", "debug"),
    ("tail", "good", "-n", "1"),
    ("ctl", "status"),
    ("ctl", "avail"),
    ("ctl", "tail", "good"),
    ("apply", "--dry-run"),
    ("restart", "good", "--wait", "30"),
    ("stop", "wrong-mongodb"),
    ("disable", "wrong-kafka"),
)
"""A whole life, in this order."""


@pytest.fixture
def fleet() -> Iterator[CommandLine]:
    """A deployment directory."""
    with command_line() as here:
        yield here


@pytest.fixture
def wrong_passwords(prefix: str) -> dict[str, str]:
    """One for each side, which are as secret as the right ones: often they are those of something else."""
    return {side: f"wrong-{side}-password-of-{prefix}" for side in ("mongodb", "kafka")}


@pytest.fixture
def configured(
    fleet: CommandLine,
    guarded_settings: Document,
    guarded_kafka: GuardedKafka,
    prefix: str,
    passwords: dict[str, str],
    wrong_passwords: dict[str, str],
) -> CommandLine:
    """A watcher that works and says all it can, and one with a wrong password for each side."""
    guarded_kafka.grant(prefix, [(ResourceType.TOPIC, topic, AclOperation.READ) for topic in topics_of(prefix)])  # for `tail`
    uri, kafka = guarded_settings["mongodb_uri"], guarded_settings["kafka"]
    client_id = guarded_settings["kafka_client_id"]
    fleet.configure("good", guarded_settings | {"log_level": "debug", "kafka": kafka | LOUD})
    (fleet.conf_dir / "wrong.uri").write_text(uri.replace(passwords["mongodb"], wrong_passwords["mongodb"]))
    by_file = {key: value for key, value in guarded_settings.items() if key != "mongodb_uri"} | {"mongodb_uri_file": "wrong.uri"}
    fleet.configure("wrong-mongodb", by_file | {"kafka_client_id": f"{client_id}-m", "delivery": "at-least-once"})
    wrong_kafka = kafka | LOUD | {"sasl.password": wrong_passwords["kafka"]}
    fleet.configure("wrong-kafka", guarded_settings | {"kafka_client_id": f"{client_id}-k", "kafka": wrong_kafka})
    return fleet


def test_no_password_is_said_anywhere(
    configured: CommandLine,
    guarded_inbox: Inbox,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
    passwords: dict[str, str],
    wrong_passwords: dict[str, str],
) -> None:
    secrets = [*passwords.values(), *wrong_passwords.values()]
    said: dict[str, str] = {}
    for command in COMMANDS:
        done = configured.run(*command)
        said[" ".join(command)] = done.stdout + done.stderr
        said["processes"] = said.get("processes", "") + command_lines()
        if command[0] == "start":
            guarded_mongo_client[prefix].users.insert_one({"_id": 1})
            guarded_inbox.messages(1)
    written = {str(path): text for path in written_files(configured.base) if (text := text_of(path)) is not None}
    for source, text in {**said, **written}.items():
        assert not [secret for secret in secrets if secret in text], f"a password is in: {source}"
    check_that_there_was_something_to_say(configured, said, written)


def check_that_there_was_something_to_say(fleet: CommandLine, said: dict[str, str], written: dict[str, str]) -> None:
    """The test must not pass because nothing has run."""
    assert "***" in said["check --show"]
    assert "good" in said["start --all --wait 30"]
    assert "streaming" in said["status"]
    assert "insert" in said["tail good -n 1"]
    assert "supervisord" in said["processes"]
    assert eventually(lambda: "refuses the connection" in (fleet.base / "log" / "wrong-kafka.log").read_text())
    assert {"good.json", "good.log", "supervisord.conf", "supervisord.log"} <= {Path(path).name for path in written}
    assert any("librdkafka" in text for text in written.values())


def command_lines() -> str:
    """Those of all processes on this machine."""
    return "\n".join(" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def text_of(path: Path) -> str | None:
    """Its content; None if it is gone: a worker that runs puts a new status file into the place of the old one."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None


def written_files(base: Path) -> Iterator[Path]:
    """All files of the deployment but what people wrote."""
    return (path for path in base.rglob("*") if path.is_file() and "conf.d" not in path.parts)
