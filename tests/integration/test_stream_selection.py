"""Collections that are delivered: MongoDB does the filtering, and it must select what the settings say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.worker import Inbox, Launch
from watcher.config import Settings

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
COLLECTIONS = (
    "users",
    "users_old",
    "branches",
    "sessions",
    "log_2023",
    "log_2024",
    "Log_2024",
    "a.b",
    "a-b",
    "ab",
    "^x",
    "größe",
    "x[1]",
    "enxcol_",
    "enxcol_.users.esc",
    "enxcol_.users.ecoc",
    "a{2}",
    "aa",
    "sp ",
    "sp",
    "a..b",
    "a.",
    "a\tb",
    "a(b|c)",
    'it\'s "a\\b"',
)
LAST = "zz_last"


def delivered(inbox: Inbox) -> set[str]:
    """The collections whose inserts have arrived by the time that of the last one has."""
    return {message["collection"] for message in inbox.messages(1)} - {LAST}


@pytest.mark.parametrize(
    ("watch", "exclude"),
    [
        pytest.param([], [], id="all"),
        pytest.param(["users", "branches"], [], id="names"),
        pytest.param([], ["sessions", "log_*"], id="exclusions"),
        pytest.param(["users*", "log_*"], ["*_old", "log_2023"], id="exclusions-win"),
        pytest.param(["log_202?", "a.b"], [], id="question-mark"),
        pytest.param(["[!lu]*"], ["s*"], id="negated-set"),
        pytest.param(["a[.-]b", "[^x]x", "x[[]1]"], [], id="sets-of-special-characters"),
        pytest.param(["*öß*"], [], id="beyond-ascii"),
        pytest.param(["*"], [], id="encryption-is-not-meant-by-all"),
        pytest.param(["enxcol_.*", "users"], ["*.ecoc"], id="encryption-is-named"),
        pytest.param(["a{2}", "sp ", "a..b", "a.", "a\tb", "a(b|c)", 'it\'s "a\\b"'], [], id="names-are-literal"),
        pytest.param(["?{2}", "sp?", "a?.b", "*.", "*\t*", "?(b|c)", "*'*\"*\\*"], [], id="globs-beside-such-characters"),
        pytest.param([], ["a{2}", "sp ", "a..b", "a\tb"], id="such-names-excluded"),
    ],
)
def test_the_server_selects_what_the_settings_say(
    watch: list[str], exclude: list[str], launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    lists = {"watch_collections": [*watch, LAST] if watch else [], "exclude_collections": exclude}
    expected = {name for name in COLLECTIONS if Settings(name="dashboard", **(settings | lists)).watches(name)}
    launch(settings | lists).reached()
    for name in (*COLLECTIONS, LAST):
        db.command("insert", name, documents=[{}])  # pymongo's own methods don't take every name
    assert {message["collection"] for message in inbox.messages(len(expected) + 1)} == expected | {LAST}


def operations(messages: list[Document]) -> list[tuple[str, str | None]]:
    return [(message["operationType"], message.get("collection")) for message in messages]


def test_views_and_time_series_send_nothing(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    """As the documentation says: no insert, and not when they are dropped; the collection below a view does."""
    launch(settings | {"watch_collections": ["users", "recent", "load", LAST]}).reached()
    db.create_collection("load", timeseries={"timeField": "at", "metaField": "host"})
    db.create_collection("recent", viewOn="users", pipeline=[])
    db.load.insert_many([{"at": datetime.now(UTC), "host": host} for host in "abc"])
    db.users.insert_one({})
    db.load.delete_many({"host": "a"})
    db.recent.drop()
    db.load.drop()
    db[LAST].insert_one({})
    assert operations(inbox.messages(2)) == [("insert", "users"), ("insert", LAST)]


def test_renames_into_and_out_of_the_watched_names(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings | {"watch_collections": ["users"]}).reached()
    db.new_users.insert_one({})
    db.new_users.rename("users")
    db.users.insert_one({})
    db.users.rename("old_users")
    db.old_users.insert_one({})
    db.old_users.rename("older_users")
    db.users.insert_one({})
    messages = inbox.messages(4)
    assert operations(messages) == [("rename", "new_users"), ("insert", "users"), ("rename", "users"), ("insert", "users")]
    assert [message["to"]["collection"] for message in messages if "to" in message] == ["users", "old_users"]


def test_a_dropped_collection_is_told_and_the_stream_goes_on(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    launch(settings | {"exclude_collections": ["sessions"]}).reached()
    db.users.insert_one({})
    db.sessions.insert_one({})
    db.sessions.drop()
    db.users.drop()
    db.users.insert_one({})
    assert operations(inbox.messages(3)) == [("insert", "users"), ("drop", "users"), ("insert", "users")]


@pytest.mark.parametrize("watch", [[], ["users"]], ids=["all", "names"])
def test_a_dropped_database_is_told_and_the_stream_goes_on(
    watch: list[str], launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings | {"watch_collections": watch})
    worker.reached()
    db.users.insert_one({"_id": 1})
    db.client.drop_database(db.name)
    ended = [("insert", "users"), ("drop", "users"), ("dropDatabase", None), ("invalidate", None)]
    assert operations(inbox.messages(4)) == ended
    db.users.insert_one({"_id": 2})
    messages = inbox.messages(5)
    assert operations(messages) == [*ended, ("insert", "users")]
    assert [message["sequence"] for message in messages] == [1, 2, 3, 4, 5]
    assert worker.logged("warning") == []


def test_a_worker_that_stopped_right_after_the_end_of_a_database_goes_on(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": 1})
    db.client.drop_database(db.name)
    inbox.messages(4)
    worker.kill()
    db.users.insert_one({"_id": 2})
    worker.start()
    assert operations(inbox.messages(5))[-1] == ("insert", "users")
