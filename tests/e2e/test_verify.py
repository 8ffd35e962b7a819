"""`watcherctl verify` on what a real worker has delivered."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from bson import Binary, Decimal128, ObjectId, UuidRepresentation
from confluent_kafka import Producer
from pymongo.database import Database

from tests.support.background import Background
from tests.support.records import QUIET
from tests.support.worker import Inbox, Launch, as_toml
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
Db = Database[Document]


def verify(directory: Path, *arguments: str, code: int = 0, name: str = "dashboard") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watcher", "verify", name, *arguments, "--config", str(directory / "conf.d")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def found(directory: Path, *arguments: str, code: int = 0) -> Document:
    return json.loads(verify(directory, "--json", *arguments, code=code).stdout)


def life_goes_on(db: Db) -> Background:
    """Somebody writes all the time, also to the same documents: so the watcher's position moves, and differences come and go."""

    def write(stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.002):
            number += 1
            db.busy.update_one({"_id": number % 10}, {"$set": {"number": number}}, upsert=True)
            db.busy.insert_one({"_id": f"n{number}"})
            if number % 3 == 0:
                db.busy.delete_one({"_id": f"n{number - 1}"})

    return Background(write, "life-goes-on")


ODD_IDS: list[Any] = [
    1, 2.5, "text", ObjectId(), datetime(2024, 1, 1, tzinfo=UTC), Decimal128("1.10"), True, {"a": 1, "b": ObjectId()},
    Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD), Binary(b"abc"), None,
]  # fmt: skip


@pytest.mark.parametrize("dialect", ["plain", "extended"])
def test_equal_while_writes_go_on(launch: Launch, settings: Document, db: Db, tmp_path: Path, dialect: str) -> None:
    launch(settings | {"json_format": dialect, "exclude_fields": ["users.secret"]}).reached()
    db.users.insert_many([{"_id": id_, "secret": "s", "at": datetime.now(UTC), "n": {"x": 1.0}} for id_ in ODD_IDS])
    db.old_name.insert_many([{"_id": number} for number in range(50)])
    db.gone.insert_many([{"_id": number} for number in range(50)])
    db.old_name.rename("new_name")
    db.old_name.insert_one({"_id": 7, "again": True})
    db.gone.drop()
    db.users.update_many({"_id": {"$type": "number"}}, {"$set": {"a.b": [1, 2, {"c": None}]}})
    db.users.delete_one({"_id": 1})
    with life_goes_on(db):
        result = found(tmp_path)
    assert result["equal"]
    assert result["compared"].keys() == {"busy", "new_name", "old_name", "users"}
    assert result["compared"]["users"] == len(ODD_IDS) - 1
    assert [result[key] for key in ("missing", "extra", "different", "unsettled", "older", "undated", "notComparable")] == [0] * 7
    assert (result["sequence"]["first"], result["sequence"]["lost"], result["sequence"]["repeated"]) == (1, 0, 0)


class Saboteur:
    """Deletes, changes and adds messages behind the watcher's back, as another program with the same topics could."""

    def __init__(self, kafka: Broker, settings: Document) -> None:
        self._settings = settings
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)

    def write(self, operation: str, key: Any, sequence: int, **fields: Any) -> None:
        message = {
            "operationType": operation, "database": "any", "collection": "users", "documentKey": {"_id": key},
            "timestamp": "2024-01-01T12:00:00.000Z", **fields, "watcher": self._settings["kafka_client_id"], "sequence": sequence,
        }  # fmt: skip
        self._producer.produce(self._settings[f"kafka_topic_{operation}"], orjson.dumps(message), orjson.dumps(key))
        assert self._producer.flush(20) == 0


def test_all_kinds_of_differences(launch: Launch, settings: Document, inbox: Inbox, kafka: Broker, db: Db, tmp_path: Path) -> None:
    old = [ObjectId.from_datetime(datetime(2020, 1, 1, tzinfo=UTC)), "undated"]
    db.users.insert_many([{"_id": id_} for id_ in old])
    launch(settings).reached()
    db.users.insert_many([{"_id": number, "name": "Ada", "tags": ["a"]} for number in range(1200)])
    inbox.records(1200)
    saboteur = Saboteur(kafka, settings)
    saboteur.write("delete", 5, 1_000_001)
    saboteur.write("insert", "nobody", 1_000_002, fullDocument={"_id": "nobody"})
    saboteur.write("update", 6, 1_000_003, fullDocument={"_id": 6, "name": "Eve", "tags": ["a", "b"]})
    saboteur.write("update", 7, 1_000_004, truncated=["fullDocument"])
    saboteur.write("update", 8, 1_000_004, fullDocument={"_id": 8, "tags": ["a"], "name": "Ada"})
    with life_goes_on(db):
        result = found(tmp_path, code=1)
        text = verify(tmp_path, "--collection", "users", code=1).stdout
        sampled = found(tmp_path, "--sample", "10000", "--collection", "users", code=1)
        complete = found(tmp_path, "--complete", "--collection", "users", code=1)
    assert result["examples"]["missing"] == [{"collection": "users", "key": 5, "changes": []}]
    assert result["examples"]["extra"] == [{"collection": "users", "key": "nobody", "changes": []}]
    six, eight = result["examples"]["different"]
    assert six["changes"] == [
        {"path": "name", "left": '"Ada"', "right": '"Eve"'},
        {"path": "tags.1", "left": None, "right": '"b"'},
    ]
    assert eight["changes"] == [{"path": "", "left": "the same fields", "right": "in another order"}]
    assert [result[key] for key in ("older", "undated", "notComparable", "unsettled")] == [1, 1, 1, 0]
    numbers = result["sequence"]
    assert (numbers["repeated"], len(numbers["gaps"]), numbers["gaps"][0][1]) == (1, 1, 1_000_000)
    assert 'name: source "Ada", topics "Eve"' in text
    assert "users 5\n  hint: If it is watched only since a while" in text
    assert text.endswith("not equal\n")
    assert {key: sampled[key] for key in ("missing", "extra", "different")} == {"missing": 1, "extra": 1, "different": 2}
    assert complete["missing"] == 3


def test_nothing_moves(launch: Launch, settings: Document, inbox: Inbox, db: Db, tmp_path: Path) -> None:
    """A worker that is down: what agrees can be told, the rest cannot be settled."""
    db.users.insert_one({"_id": ObjectId.from_datetime(datetime(2020, 1, 1, tzinfo=UTC))})
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": 1})
    inbox.records(1)
    assert worker.stop() == 0
    assert found(tmp_path, "--wait", "1")["older"] == 1
    db.users.update_one({"_id": 1}, {"$set": {"name": "Ada"}})
    result = found(tmp_path, "--wait", "1", code=1)
    assert (result["unsettled"], result["different"], result["stalled"]) == (1, 0, True)
    assert "does it run?" in verify(tmp_path, "--wait", "0", code=1).stdout
    assert "waiting for the watcher" in bar(tmp_path, "--wait", "1")


def bar(directory: Path, *arguments: str) -> str:
    """Return what is written to stderr when that is a terminal; it is read all the time, as a terminal would."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "watcher", "verify", "dashboard", *arguments, "--config", str(directory / "conf.d")]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    shown: list[bytes] = []
    reading = threading.Thread(target=lambda: shown.extend(_pieces(ours)))
    reading.start()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=False, env=environment)
    finally:
        os.close(theirs)
        reading.join()
        os.close(ours)
    return b"".join(shown).decode()


def _pieces(terminal: int) -> Iterator[bytes]:
    """Until the last who writes has closed it, which Linux tells as an error."""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 4096):
            yield piece


def test_what_cannot_be_verified(settings: Document, tmp_path: Path, db: Db) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "dashboard.toml").write_text(as_toml(settings | {"watch_collections": ["users"]}))
    assert "has no position in Kafka yet" in verify(tmp_path, code=1).stderr
    assert "'orders' is not watched" in verify(tmp_path, "--collection", "orders", code=2).stderr
    assert "--since that some are" in verify(tmp_path, "--complete", "--since", "1h", code=2).stderr
    assert "did you mean 'dashboard'" in verify(tmp_path, name="dashbord", code=4).stderr
