"""A change says what its message says, and what is no message is refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pydantic
import pytest

from tests.unit.consumer_changes import P, change, message, record
from watcher.consumer import (
    Gap,
)
from watcher.consumer.change import read
from watcher.decoding.message import UnknownMessage

ROOT = Path(__file__).parents[2]


IMPORT = """
import sys
before = set(sys.modules)
from watcher.consumer import AsyncDatabaseChangeConsumer, Change, DatabaseChangeConsumer, Gap
new = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items() if name not in before}
print(*sorted({name.partition(".")[0] for name, file in new.items() if "site-packages" in file}))
"""


def test_importing_needs_nothing_but_confluent_kafka_and_orjson() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert done.stdout.split() == ["confluent_kafka", "orjson"]


def test_a_change_says_what_the_message_says() -> None:
    update = {"updatedFields": {"a": 1}, "removedFields": []}
    found = change("update", fullDocument={"_id": "k", "a": 1}, updateDescription=update, addedInALaterVersion=True)
    assert (found.operation, found.database, found.collection, found.watcher, found.sequence) == ("update", "d", "users", "w", 7)
    assert (found.topic, found.partition, found.offset, found.event_id) == ("t", 0, 5, "e7")
    assert (found.key, found.document_key) == ("k", {"_id": "k", "shard": 1})
    assert found.timestamp == datetime(2024, 1, 1, 12, 0, 0, 756000, UTC)
    assert (found.full_document, found.update_description) == ({"_id": "k", "a": 1}, update)
    assert (found.full_document_before_change, found.truncated) == (None, ())
    assert found.message["addedInALaterVersion"] is True
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.operation = "delete"  # type: ignore[misc]  # it is frozen


def test_a_control_message_has_neither_key_nor_document() -> None:
    found = change("dropDatabase", None)
    assert (found.collection, found.key, dict(found.document_key), found.full_document) == (None, None, {}, None)


def test_a_document_as_the_users_own_model() -> None:
    class User(pydantic.BaseModel):
        n: int

    user = change(fullDocument={"n": "1"}).document(User)
    assert user is not None
    assert user.n == 1
    assert change("delete").document(User) is None
    with pytest.raises(pydantic.ValidationError):
        change(fullDocument={"n": "one"}).document(User)


def test_a_gap() -> None:
    found = Gap.of(change("gap", None, reason="lost", lastEventId="e6"))
    assert found == Gap("d", "w", 7, datetime(2024, 1, 1, 12, 0, 0, 756000, UTC), "lost", "e6")


NOON = "826592A9400000000C2B0229296E04"
"""A token of 12:00:00."""


def test_versions_sort_in_the_order_of_a_documents_states() -> None:
    states = [
        change(eventId=NOON, sequence=900, timestamp="2024-01-01T13:00:00.000Z"),  # wallTime is no clock of the cluster
        change(eventId="s.1", snapshot="s", sequence=901, timestamp="2024-01-01T12:00:00.000Z"),
        change(eventId=NOON.replace("9400000000C", "9400000000D"), sequence=1024),
        change(eventId="s.2", snapshot="s", sequence=3, timestamp="2024-01-01T12:00:01.000Z"),  # the numbers begin again
        change(eventId=NOON.replace("A940", "A941"), sequence=4),
    ]
    versions = [each.version for each in states]
    assert versions == sorted(versions)
    assert [each.token is None for each in states] == [False, True, False, True, False]
    assert [each.snapshot for each in states] == [None, "s", None, "s", None]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"{}",
        json.dumps(message(sequence="7")).encode(),
        json.dumps(message(sequence=True)).encode(),
        json.dumps(message(watcher=7)).encode(),
        json.dumps(message(operationType=None)).encode(),
        json.dumps(message(database=7)).encode(),
        json.dumps(message(collection=["users"])).encode(),
        json.dumps(message(documentKey="k")).encode(),
        json.dumps(message(eventId=7)).encode(),
        json.dumps(message(timestamp=None)).encode(),
        json.dumps(message(operationType="gap", timestamp="yesterday")).encode(),
        b'{"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": 1}}',
    ],
)
def test_what_no_watcher_has_written(value: bytes | None) -> None:
    with pytest.raises(UnknownMessage):
        read(record(value), P)
