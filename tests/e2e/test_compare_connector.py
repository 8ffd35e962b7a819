"""The worked example of docs/migration-from-debezium.md and docs/migration-from-mongodb-connector.md.

A real connector and a real worker run on one database, and tell the same. Then the watcher goes on where the connector has stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import peers
from tests.support.kafka_connect import KafkaConnect
from tests.support.peer_writes import END, write
from tests.support.records import read_topics
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.connect_fixtures", "tests.support.worker_fixtures"]

Document = dict[str, Any]
ARRIVAL_SECONDS = 60.0


def watcherctl(directory: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "watcher", *arguments, "--config", str(directory / "conf.d")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def debezium(name: str, uri: str, database: str) -> dict[str, str]:
    return peers.debezium(name, uri, database) | {"snapshot.mode": "no_data"}


def mongodb(name: str, uri: str, database: str) -> dict[str, str]:
    return peers.mongodb(name, uri, database) | {"startup.mode": "latest", "offset.partition.name": name}


def token_of_debezium(offset: Document) -> str:
    return str(bson.decode(b64decode(offset["resume_token"]))["_data"])


def token_of_mongodb(offset: Document) -> str:
    return str(json.loads(offset["_id"])["_data"])


@pytest.mark.parametrize(
    ("connector", "token_of"),
    [pytest.param(debezium, token_of_debezium, id="debezium"), pytest.param(mongodb, token_of_mongodb, id="mongodb")],
)
def test_a_parallel_run_and_the_switch(
    connect: KafkaConnect, connector: Callable[..., dict[str, str]], token_of: Callable[[Document], str],
    mongo: ReplicaSet, mongo_client: MongoClient[Document], db: Database[Document],
    launch: Launch, settings: Document, inbox: Inbox, prefix: str, tmp_path: Path,
) -> None:  # fmt: skip
    """`peer` is the connector's topic.prefix."""
    peer = f"peer-{prefix}"
    launch(settings).reached()
    db.create_collection("images", changeStreamPreAndPostImages={"enabled": True})
    connect.put(peer, connector(peer, mongo.uri(), db.name))

    def has_arrived(collection: str) -> bool:
        return bool(read_topics(inbox.bootstrap, [f"{peer}.{db.name}.{collection}"]))

    def streams() -> bool:
        assert connect.runs(peer)
        db.probe.insert_one({})
        return has_arrived("probe")

    eventually(streams, ARRIVAL_SECONDS, interval_s=0.5)
    for _ in write(mongo_client, db):
        pass
    eventually(lambda: has_arrived(END), ARRIVAL_SECONDS, interval_s=0.3)
    eventually(lambda: of(inbox, END), ARRIVAL_SECONDS, interval_s=0.3)
    compared = ("compare", "--new", "dashboard", "--connector", peer, "--window", "0.5")
    result = json.loads(watcherctl(tmp_path, *compared, "--json"))
    assert (result["agrees"], result["unread"], result["examples"]) == (True, 0, [])
    same = sum(row["same"] for row in result["rows"] if row["collection"] != "probe")
    assert same == sum("documentKey" in message and message["collection"] != "probe" for message in inbox.messages())
    assert "both told the same" in watcherctl(tmp_path, *compared)

    (offset,) = connect.stop_connector(peer)
    db.after.insert_one({"_id": "first"})
    eventually(lambda: of(inbox, "after"))
    watcherctl(tmp_path, "position", "set", "dashboard", token_of(offset), "--yes")
    eventually(lambda: len(of(inbox, "after")) == 2)
    (rewind,) = [message["sequence"] for message in inbox.messages() if message["operationType"] == "rewind"]
    again = [message for message in inbox.messages() if message["sequence"] > rewind]
    assert [(message["collection"], message["documentKey"]) for message in again] == [("after", {"_id": "first"})]
    told = eventually(lambda: watcherctl(tmp_path, *compared, code=1))
    assert "only in new: after insert first" in told


def of(inbox: Inbox, collection: str) -> list[Document]:
    """The watcher's messages about a collection."""
    return [message for message in inbox.messages() if message.get("collection") == collection]
