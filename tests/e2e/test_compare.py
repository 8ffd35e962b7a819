"""`watcherctl compare`: a schema-specific watcher of old beside a real worker."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from bson import ObjectId
from confluent_kafka import Producer
from pymongo.database import Database

from tests.support.kafka_topics import create_topic
from tests.support.records import QUIET
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, as_toml, watcher_settings
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

MAPPING = """
[topics."PREFIX.user.created"]
collection = "users"
key = "userId"
operation = "insert"
fields = { "profile.name" = "fullDocument.name", "profile.mail" = "fullDocument.email" }

[topics."PREFIX.user.events"]
collection = "users"
key = "$key"
operation = { field = "type", values = { userUpdated = "update", userDeleted = "delete" } }
time = "sentAt"

[topics."PREFIX.user.events".fields]
"name" = "updateDescription.updatedFields.name"
"""


class OldWatcher:
    """Sends what a model's own change stream watcher sent, in its own format."""

    def __init__(self, kafka: Broker, prefix: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
        self._prefix = prefix
        for topic in ("created", "events", "mail"):  # before the first message: its time is what is compared
            create_topic(kafka, f"{prefix}.user.{topic}")

    def created(self, id_: ObjectId, name: str, mail: str) -> None:
        self._send("created", {"userId": str(id_), "profile": {"name": name, "mail": mail}})

    def event(self, kind: str, id_: ObjectId, **fields: Any) -> None:
        self._send("events", {"type": kind, "sentAt": int(time.time() * 1000), **fields}, str(id_))

    def mail(self, address: str) -> None:
        self._send("mail", {}, f"mail:{address}")

    def nonsense(self) -> None:
        self._producer.produce(f"{self._prefix}.user.events", b"no JSON")
        self._send("events", {"type": "userLoggedIn"}, "x")

    def _send(self, topic: str, value: Document, key: str | None = None) -> None:
        self._producer.produce(f"{self._prefix}.user.{topic}", orjson.dumps(value), key)

    def has_arrived(self) -> None:
        """Wait until all has. Not after each message: the times of those that belong together shall be near each other."""
        assert self._producer.flush(20) == 0


@pytest.fixture
def old(kafka: Broker, prefix: str, tmp_path: Path) -> OldWatcher:
    (tmp_path / "mapping.toml").write_text(MAPPING.replace("PREFIX", prefix))
    return OldWatcher(kafka, prefix)


def compare(directory: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return compared(directory, "--mapping", str(directory / "mapping.toml"), *arguments, code=code)


def compared(directory: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watcher", "compare", *arguments]
    done = subprocess.run(
        [*command, "--config", str(directory / "conf.d")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_parallel_running(
    launch: Launch, settings: Document, inbox: Inbox, old: OldWatcher, db: Database[Document], prefix: str, tmp_path: Path
) -> None:
    launch(settings).reached()
    ada, grace = ObjectId(), ObjectId()
    for id_, name in ((ada, "Ada"), (grace, "Grace")):
        db.users.insert_one({"_id": id_, "name": name, "email": f"{name}@example.org"})
        old.created(id_, name, f"{name}@example.org")
    db.users.update_one({"_id": ada}, {"$set": {"name": "Ada L."}})
    old.event("userUpdated", ada, name="Ada L.")
    db.users.delete_one({"_id": grace})
    old.event("userDeleted", grace)
    db.orders.insert_one({"_id": 1})
    old.has_arrived()
    inbox.records(5)
    since = ("--since", "10m", "--window", "10")
    assert "both told the same" in compare(tmp_path, "--new", "dashboard", *since).stdout
    assert compare(tmp_path, "--new", f"{prefix}.insert", "--old", f"{prefix}.user.created", *since).returncode == 0

    old.event("userUpdated", grace, name="nobody saw it")
    old.nonsense()
    hedy = ObjectId()
    db.users.insert_one({"_id": hedy, "name": "Hedy"})
    db.users.insert_one({"_id": ada.binary[:1].hex(), "name": "only ours"})
    old.created(hedy, "Hedi", "hedy@example.org")
    old.has_arrived()
    inbox.records(7)
    result = json.loads(compare(tmp_path, "--new", "dashboard", "--json", "--since", "10m", "--window", "2", code=1).stdout)
    assert result["unread"] == 2
    assert not result["agrees"]
    different = next(example for example in result["examples"] if example["outcome"] == "different")
    assert different["key"] == str(hedy)
    assert different["changes"] == [
        {"path": "fullDocument.name", "left": '"Hedi"', "right": '"Hedy"'},
        {"path": "fullDocument.email", "left": '"hedy@example.org"', "right": None},
    ]

    def text_with_all() -> str:
        """Changes younger than the window may still get their counterparts, and are not counted yet."""
        text = compare(tmp_path, "--new", "dashboard", "--since", "10m", "--window", "2", code=1).stdout
        assert "only in old: users update" in text
        assert "only in new: users insert" in text
        return text

    text = eventually(text_with_all)
    assert "2 old messages do not fit the mapping" in text
    assert "they do not agree" in text


TWO_TOPICS = """
[topics."PREFIX.user.created"]
collection = "users"
key = "userId"
operation = "insert"

[topics."PREFIX.user.mail"]
collection = "users"
key = "$key"
our_key = "mail:{fullDocument.email}"
operation = "insert"
"""


def test_two_old_topics_that_tell_of_the_same_change_each_by_a_key_of_its_own(
    launch: Launch, settings: Document, inbox: Inbox, old: OldWatcher, db: Database[Document], prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "mapping.toml").write_text(TWO_TOPICS.replace("PREFIX", prefix))
    launch(settings).reached()
    ada, grace = ObjectId(), ObjectId()
    db.users.insert_many([{"_id": ada, "email": "ada@example.org"}, {"_id": grace, "email": "grace@example.org"}])
    old.created(ada, "Ada", "ada@example.org")
    old.mail("ada@example.org")
    old.created(grace, "Grace", "grace@example.org")
    old.has_arrived()
    inbox.records(2)
    arguments = ("--new", "dashboard", "--since", "10m", "--window", "2", "--json")
    result = json.loads(compare(tmp_path, *arguments).stdout)
    assert result["rows"] == [{"collection": "users", "operation": "insert", "same": 3, "different": 0, "onlyOld": 0, "onlyNew": 0}]
    old.mail("nobody@example.org")
    old.has_arrived()
    db.users.insert_one({"email": "hedy@example.org"})
    inbox.records(3)

    def found() -> bool:
        result = json.loads(compare(tmp_path, *arguments, code=1).stdout)
        assert {(each["outcome"], each["topic"], each["key"]) for each in result["examples"]} >= {
            ("onlyOld", f"{prefix}.user.mail", "mail:nobody@example.org")
        }
        assert (result["rows"][0]["same"], result["rows"][0]["onlyOld"], result["rows"][0]["onlyNew"]) == (3, 1, 1)
        return True

    eventually(found)


def test_what_cannot_be_compared(settings: Document, launch: Launch, old: OldWatcher, prefix: str, tmp_path: Path) -> None:
    launch(settings).reached()
    assert "nothing to compare" in compare(tmp_path, "--new", "dashboard", code=1).stdout
    assert "neither a watcher nor a topic of one" in compare(tmp_path, "--new", "strangers", code=2).stderr
    assert "the mapping says nothing of 'x'" in compare(tmp_path, "--new", "dashboard", "--old", "x", code=2).stderr
    other = watcher_settings(settings["mongodb_uri"], settings["kafka_brokers"], f"{prefix}.other")
    (tmp_path / "conf.d" / "other.toml").write_text(as_toml(other))
    nowhere = f"Invalid value for --new: Kafka has no topic {prefix}.other.insert"
    assert nowhere in compare(tmp_path, "--new", f"{prefix}.other.insert", code=2).stderr
    assert "Kafka has no topic of 'other' yet" in compare(tmp_path, "--new", "other", code=1).stderr
    (tmp_path / "mapping.toml").write_text(TWO_TOPICS.replace("PREFIX", f"{prefix}.nowhere"))
    refused = compare(tmp_path, "--new", "dashboard", code=2).stderr
    assert "Invalid value for --mapping: Kafka has no topic" in refused
    (tmp_path / "mapping.toml").write_text(TWO_TOPICS.replace("PREFIX.user.mail", "nowhere").replace("PREFIX", prefix))
    assert "Kafka has no topic nowhere\n" in compare(tmp_path, "--new", "dashboard", code=1).stdout
    assert json.loads(compare(tmp_path, "--new", "dashboard", "--json", code=1).stdout)["absent"] == ["nowhere"]
    unknown = compared(tmp_path, "--new", "dashboard", "--connector", "nope", code=2)
    assert "Invalid value for --connector: Kafka has no topic nope.…" in unknown.stderr
    (tmp_path / "mapping.toml").write_text("[topics.x]\n")
    assert "topics.x.collection: Field required" in compare(tmp_path, "--new", "dashboard", code=78).stderr
    (tmp_path / "mapping.toml").unlink()
    assert "mapping.toml: No such file or directory" in compare(tmp_path, "--new", "dashboard", code=78).stderr
