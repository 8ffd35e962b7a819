"""Messages and positions of a watcher of several databases, byte for byte; tests/golden_shared_scope.py says which."""

from __future__ import annotations

import json

import pytest

from tests.golden_shared_scope import FILE, SCOPE, lines
from tests.support.plain_settings import settings
from watcher.config import Settings
from watcher.errors import ConfigurationError
from watcher.kafka.ownership import check_database
from watcher.kafka.position import load
from watcher.model import Owner, Position

GOLDEN = [json.loads(line) for line in FILE.read_text().splitlines()]


@pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])
def test_the_same_bytes(native: bool) -> None:
    assert [*lines(native=native)] == GOLDEN


def test_control_messages_name_the_scope_or_the_database_that_they_are_about() -> None:
    named = {line["name"]: [json.loads(message[2]).get("database") for message in line["messages"]] for line in GOLDEN[:-1]}
    assert named["gap"] == ["*"]
    assert named["snapshot of all"] == ["*", "tenant_1", "tenant_2", "*"]
    assert named["dropDatabase, tenant_1"] == named["too large"] == ["tenant_1"]


def test_a_position_can_be_read_again() -> None:
    position = load(GOLDEN[-1]["text"].encode(), lambda: GOLDEN[-1]["snapshot"].encode())
    assert (position.database, position.snapshot and position.snapshot.collection) == (SCOPE.name, "tenant_1.users")


OF_ALL = settings(mongodb_uri="mongodb://localhost:27017/", watch_databases=["tenant_*"])
WIDER = settings(mongodb_uri="mongodb://localhost:27017/", watch_databases=["*"], exclude_databases=["shop"])


def test_the_position_of_a_scope_stays_when_the_scope_changes() -> None:
    for one in (OF_ALL, WIDER):
        check_database(one, Position("*", Owner("9f3c", "host-1", 4711)))


@pytest.mark.parametrize(("saved", "now"), [("tenant_1", OF_ALL), ("*", settings())])
def test_the_position_of_one_database_is_not_that_of_several(saved: str, now: Settings) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_database(now, Position(saved, Owner("9f3c", "host-1", 4711)))
    assert "several databases" in f"{caught.value}"
    assert "watcherctl position set" in caught.value.hint
