"""Several databases on one stream: what the server selects, where a stream goes on, and the whole way into Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.snapshot_messages import Message, completed, operations, rows
from tests.support.streams import id_of, opened, read_after, read_until
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.config import Settings
from watcher.errors import PositionLost
from watcher.model import ResumeToken
from watcher.mongodb.client import CommandSession
from watcher.mongodb.databases import databases_of
from watcher.mongodb.timeline import Timeline
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.splitting_mongod"]

Document = dict[str, Any]
Client = MongoClient[Document]

HOSTILE = ("-é", "{2}", "(b|c)", "+x", "*", "[a]", "it's", "<:>", "^", "tab\t", "aa", "a")
COLLECTIONS = ("users", "a.b", "b", "größe", "a{2}", "enxcol_.users.esc")
LAST = "zz_last"
LARGE = "x" * 10_000_000


@pytest.fixture
def client(mongo_client: Client, prefix: str) -> Iterator[Client]:
    """A client that drops the databases of `prefix` afterwards."""
    yield mongo_client
    for name in mongo_client.list_database_names():
        if name.startswith(prefix):
            mongo_client.drop_database(name)


def settings_of(mongo: ReplicaSet, database: str, **values: Any) -> Settings:
    """Settings of a watcher that never meets a Kafka, of one database, or with `watch_databases` of several."""
    uri = mongo.uri("" if "watch_databases" in values else database)
    return Settings(name="w", mongodb_uri=uri, kafka_brokers="host:9092", kafka_client_id=f"{database}-w", **values)


def places(events: list[Document]) -> list[tuple[str, str | None]]:
    return [(event["ns"]["db"], event["ns"].get("coll")) for event in events]


def now(settings: Settings) -> ResumeToken:
    return Timeline(settings).now()


@pytest.mark.parametrize(
    ("databases", "exclude", "watch", "exclude_collections"),
    [
        (["~*"], [], [], []),
        (["~*"], ["~a", "~{2}", "~[*]"], [], ["*.a.b"]),
        (["~aa", "~{2}", "~it's", "~tab\t", "~(b|c)", "~+x", "~^"], [], [], []),
        (["~[[]a]", "~?", "~*é"], [], ["users", "~a.b", "*.a{2}"], []),
        (["*"], ["[!t]*"], ["~*.users", "~*.enxcol_.*"], ["~?.users", "~aa.*"]),
    ],
    ids=["all", "exclusions", "literal names", "globs", "collections with databases"],
)
def test_the_server_selects_what_the_scope_says(
    databases: list[str],
    exclude: list[str],
    watch: list[str],
    exclude_collections: list[str],
    mongo: ReplicaSet,
    prefix: str,
    client: Client,
) -> None:
    lists = {
        "watch_databases": [*databases, f"~{LAST}"],
        "exclude_databases": exclude,
        "watch_collections": [*watch, f"~{LAST}.{LAST}"] if watch else [],
        "exclude_collections": exclude_collections,
    }
    settings = settings_of(mongo, prefix, **{key: [name.replace("~", prefix) for name in names] for key, names in lists.items()})
    written = [(f"{prefix}{suffix}", collection) for suffix in HOSTILE for collection in COLLECTIONS]
    with opened(settings, None) as stream:
        for database, collection in written:
            client[database].command("insert", collection, documents=[{}])
        client[f"{prefix}{LAST}"].command("insert", LAST, documents=[{"_id": LAST}])
        events = read_until(stream, LAST)
    ours = [place for place in places(events) if place[0].startswith(prefix)]
    assert ours[:-1] == [place for place in written if settings.scope.includes(*place)]
    with closing(CommandSession(settings)) as session:
        found = [name for name in databases_of(session, settings.scope) if name.startswith(prefix)]
    assert found == sorted(
        name for name in {database for database, _ in written} | {f"{prefix}{LAST}"} if settings.scope.has_database(name)
    )


def test_dropping_a_database_ends_nothing_and_a_new_one_comes(mongo: ReplicaSet, prefix: str, client: Client) -> None:
    settings = settings_of(mongo, prefix, watch_databases=[f"{prefix}_*"], exclude_databases=[f"{prefix}_9"])
    with opened(settings, None) as stream:
        for name in ("1", "2", "9"):
            client[f"{prefix}_{name}"].users.insert_one({})
        client.drop_database(f"{prefix}_9")
        client.drop_database(f"{prefix}_1")
        client[f"{prefix}_3"].users.insert_one({"_id": "end"})
        events = read_until(stream, "end")
    assert [(event["operationType"], event["ns"]["db"][-1]) for event in events] == [
        ("insert", "1"), ("insert", "2"), ("drop", "1"), ("dropDatabase", "1"), ("insert", "3"),
    ]  # fmt: skip


def test_a_rename_from_another_database_comes_as_that_of_a_temporary_collection(
    mongo: ReplicaSet, prefix: str, client: Client
) -> None:
    settings = settings_of(mongo, prefix, watch_databases=[f"{prefix}_in"], watch_collections=["users"])
    with opened(settings, None) as stream:
        client[f"{prefix}_out"].users.insert_many([{"_id": number} for number in range(3)])
        client.admin.command("renameCollection", f"{prefix}_out.users", to=f"{prefix}_in.users")
        client[f"{prefix}_in"].users.insert_one({"_id": "in"})
        client.admin.command("renameCollection", f"{prefix}_in.users", to=f"{prefix}_out.users")
        client[f"{prefix}_in"].users.insert_one({"_id": "end"})
        events = read_until(stream, "end")
    assert [event["operationType"] for event in events] == ["rename", "insert", "drop", "insert"]
    assert events[0]["to"] == {"db": f"{prefix}_in", "coll": "users"}


def test_fields_are_left_out_where_they_are_named(mongo: ReplicaSet, prefix: str, client: Client) -> None:
    fields = ["users.email", f"{prefix}_1.orders.card.number"]
    settings = settings_of(mongo, prefix, watch_databases=[f"{prefix}_*"], exclude_fields=fields)
    with opened(settings, None) as stream:
        for name in ("1", "2"):
            client[f"{prefix}_{name}"].users.insert_one({"email": "a@b", "n": 1})
            client[f"{prefix}_{name}"].orders.insert_one({"card": {"number": 7, "n": 1}})
        client[f"{prefix}_2"].orders.insert_one({"_id": "end"})
        documents = [{**event["fullDocument"], "_id": 0} for event in read_until(stream, "end")[:-1]]
    assert documents == [
        {"_id": 0, "n": 1},
        {"_id": 0, "card": {"n": 1}},
        {"_id": 0, "n": 1},
        {"_id": 0, "card": {"number": 7, "n": 1}},
    ]


def test_a_narrowed_scope_goes_on_at_its_position(mongo: ReplicaSet, prefix: str, client: Client) -> None:
    wide = settings_of(mongo, prefix, watch_databases=[f"{prefix}_*"])
    start = now(wide)
    client[f"{prefix}_1"].users.insert_one({"_id": "last delivered"})
    [event] = read_after(wide, start, "last delivered")
    client[f"{prefix}_1"].users.insert_one({"_id": "not wanted"})
    client[f"{prefix}_2"].users.insert_one({"_id": "end"})
    for narrowed in ({"exclude_databases": [f"{prefix}_1"]}, {"watch_databases": [f"{prefix}_2"]}):
        narrow = settings_of(mongo, prefix, **{"watch_databases": [f"{prefix}_*"], **narrowed})
        assert places(read_after(narrow, event["_id"], "end")) == [(f"{prefix}_2", "users")]
        assert Timeline(narrow).after(event["_id"]) == event["_id"]


def test_positions_go_from_one_database_to_several_and_back(mongo: ReplicaSet, prefix: str, client: Client) -> None:
    """So watchers are joined into one, and a database is moved out to a watcher of its own."""
    shared = settings_of(mongo, prefix, watch_databases=[f"{prefix}_*"])
    alone = settings_of(mongo, f"{prefix}_1")
    start = now(alone)
    client[f"{prefix}_1"].users.insert_one({"_id": 1})
    client[f"{prefix}_2"].users.insert_one({"_id": 2})
    client[f"{prefix}_1"].users.insert_one({"_id": 3})
    client[f"{prefix}_1"].users.insert_one({"_id": "end"})
    of_one = {id_of(event): event["_id"] for event in read_after(alone, start, "end")}
    of_all = {id_of(event): event["_id"] for event in read_after(shared, start, "end")}
    assert {key: of_all[key] for key in of_one} == of_one  # the same event has the same id in both
    assert [id_of(event) for event in read_after(shared, of_one[1], "end")] == [2, 3, "end"]
    for token in (of_all[1], of_all[2]):  # the second is an event of another database
        assert [id_of(event) for event in read_after(alone, token, "end")] == [3, "end"]
        assert Timeline(alone).after(token) == token


def test_a_position_of_another_mongodb_stays_lost(mongo: ReplicaSet, prefix: str, client: Client) -> None:
    shared = settings_of(mongo, prefix, watch_databases=[f"{prefix}_*"])
    client[f"{prefix}_1"].users.insert_one({"_id": 1})
    start = now(shared)
    client[f"{prefix}_1"].users.insert_one({"_id": 2})
    [event] = read_after(shared, start, 2)
    data = event["_id"]["_data"]
    at = data.index("5A1004") + 6
    foreign = {"_data": data[:at] + "0" * 8 + data[at + 8 :]}
    for settings in (shared, settings_of(mongo, f"{prefix}_1")):
        client[f"{prefix}_1"].users.insert_one({})
        with pytest.raises(PositionLost, match="error 280"):
            read_after(settings, foreign, "never")


def test_events_in_fragments(splitting_mongo: ReplicaSet, prefix: str) -> None:
    settings = settings_of(splitting_mongo, prefix, watch_databases=[f"{prefix}_*"], full_document_before_change="whenAvailable")
    with splitting_mongo.client() as client:
        for name in ("1", "2"):
            client[f"{prefix}_{name}"].create_collection("files", changeStreamPreAndPostImages={"enabled": True})
        start = now(settings)
        for name in ("1", "2"):
            client[f"{prefix}_{name}"].files.insert_one({"_id": name, "text": LARGE})
            client[f"{prefix}_{name}"].files.update_one({"_id": name}, {"$set": {"text": LARGE[:-1]}})
        client[f"{prefix}_2"].files.insert_one({"_id": "end"})
        events = read_after(settings, start, "end")
        assert [(event["operationType"], event["ns"]["db"][-1]) for event in events if event["operationType"] != "create"] == [
            ("insert", "1"), ("update", "1"), ("insert", "2"), ("update", "2"), ("insert", "2"),
        ]  # fmt: skip
        large = next(event["_id"] for event in events if event["operationType"] == "update")
        assert [id_of(event) for event in read_after(settings, large, "end")] == ["2", "2", "end"]
        for name in ("1", "2"):
            client.drop_database(f"{prefix}_{name}")


@pytest.fixture
def shared_settings(mongo: ReplicaSet, kafka: Broker, prefix: str) -> Document:
    """A watcher of all databases of `prefix` but one, with topics of each."""
    return {
        "mongodb_uri": mongo.uri(""),
        "watch_databases": [f"{prefix}_*"],
        "exclude_databases": [f"{prefix}_out"],
        "kafka_brokers": kafka.bootstrap,
        "kafka_client_id": f"{prefix}-watcher",
        "kafka_db_changes_topic": "{database}.changes",
        "kafka_topic_control": f"{prefix}.control",
    }


class Topics(Inbox):
    """The topics of a watcher whose databases come and go."""

    def __init__(self, bootstrap: str, prefix: str, names: tuple[str, ...]) -> None:
        super().__init__(bootstrap, [f"{prefix}.control", *(f"{prefix}_{name}.changes" for name in names)])


def test_the_whole_way(launch: Launch, shared_settings: Document, kafka: Broker, prefix: str, client: Client) -> None:
    """A first snapshot of what is there, changes, a database that appears, one that is dropped, one whose name Kafka refuses, and a
    collection that is renamed into the scope and copied afterwards."""
    for name in ("1", "2", "é"):
        client[f"{prefix}_{name}"].users.insert_many([{"_id": number} for number in range(10)])
        client[f"{prefix}_{name}"].create_collection("empty")
    client[f"{prefix}_out"].users.insert_many([{"_id": number} for number in range(5)])
    worker = launch(shared_settings | {"snapshot_mode": "initial"})
    worker.reached()
    inbox = Topics(kafka.bootstrap, prefix, ("1", "2", "_xe9_"))
    messages = completed(inbox)
    assert Counter(message["database"] for message in rows(messages)) == {f"{prefix}_{name}": 10 for name in ("1", "2", "é")}
    started, *ends, whole = [message for message in messages if "documentKey" not in message]
    assert (started["database"], whole["database"], whole["documents"]) == ("*", "*", 30)
    assert [(end["database"][len(prefix) :], end["collection"], end["documents"]) for end in ends] == [
        ("_1", "empty", 0), ("_1", "users", 10), ("_2", "empty", 0), ("_2", "users", 10), ("_é", "empty", 0), ("_é", "users", 10),
    ]  # fmt: skip

    client[f"{prefix}_new"].users.insert_one({"_id": "first"})
    client.drop_database(f"{prefix}_1")
    client[f"{prefix}_2"].users.delete_one({"_id": 1})
    client.admin.command("renameCollection", f"{prefix}_out.users", to=f"{prefix}_2.moved")
    inbox = Topics(kafka.bootstrap, prefix, ("1", "2", "_xe9_", "new"))
    told = eventually(lambda: operations(inbox.messages(), "rename"), 30)
    assert (told[0]["database"], told[0]["to"]) == (f"{prefix}_2", {"database": f"{prefix}_2", "collection": "moved"})
    changes = [change for change in inbox.messages()[len(messages) :] if "tmp" not in change.get("collection", "")]
    assert [(change["operationType"], change["database"][len(prefix) :]) for change in changes] == [
        ("insert", "_new"), ("drop", "_1"), ("drop", "_1"), ("dropDatabase", "_1"), ("delete", "_2"),
    ]  # fmt: skip
    assert worker.stop() == 0
    assert worker.logged("error") == []
    numbers = [message["sequence"] for message in inbox.messages()]
    assert numbers == [*range(1, len(numbers) + 1)]


def test_a_worker_goes_on_when_its_scope_changes(
    launch: Launch, shared_settings: Document, mongo: ReplicaSet, kafka: Broker, prefix: str, client: Client
) -> None:
    worker = launch(shared_settings)
    worker.reached()
    client[f"{prefix}_1"].users.insert_one({"_id": 1})
    inbox = Topics(kafka.bootstrap, prefix, ("1", "2", "out"))
    eventually(lambda: inbox.messages(1), 30)
    assert worker.stop() == 0
    client[f"{prefix}_1"].users.insert_one({"_id": 2})
    client[f"{prefix}_2"].users.insert_one({"_id": 3})
    client[f"{prefix}_out"].users.insert_one({"_id": 4})
    changed = launch(shared_settings | {"exclude_databases": [f"{prefix}_1"]})
    changed.reached()
    messages: list[Message] = inbox.messages(3)
    assert [(each["documentKey"]["_id"], each["sequence"]) for each in messages] == [(1, 1), (3, 2), (4, 3)]
    assert changed.stop() == 0
    of_one = {key: value for key, value in shared_settings.items() if "databases" not in key}
    alone = launch(of_one | {"mongodb_uri": mongo.uri(f"{prefix}_1")})
    assert alone.wait() == 78
    assert "several databases" in alone.output
