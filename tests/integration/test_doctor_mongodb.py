"""`watcherctl doctor` on MongoDBs that lack something; each kind of server is started once."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pymongo.database import Database

from tests.support.doctoring import as_settings, check_fix, look_at_mongodb, problems
from tests.support.waiting import eventually
from tests.support.worker import watcher_settings
from watcher.doctor.check import Finding, Outcome, ok
from watcher.errors import Outage
from watcher.mongodb.change_stream import ChangeStream
from watcher.sandbox.mongod import Mongod, ReplicaSet

Document = dict[str, Any]
T = TypeVar("T")

NOBODY = "127.0.0.1:1"
SMALL_OPLOG = ("--oplogSize", "16")
PASSWORD = "of-the-tests"
DOWN = "localhost:1"


def settings(uri: str, **values: Any) -> Document:
    return watcher_settings(uri, NOBODY, "doctor") | values


@pytest.fixture(scope="module")
def standalone(server_directory: Path) -> Iterator[Mongod]:
    server = Mongod(server_directory / "doctor-standalone")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def uninitiated(server_directory: Path) -> Iterator[Mongod]:
    server = Mongod(server_directory / "doctor-uninitiated", replica_set="rs0")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def far(server_directory: Path) -> Iterator[Mongod]:
    """Calls itself localhost, in whatever way clients come; and a member without a vote is down."""
    server = Mongod(server_directory / "doctor-far", replica_set="rs0")
    server.start()
    config: Document = {"_id": "rs0", "version": 1, "members": [{"_id": 0, "host": f"localhost:{server.port}"}]}
    with server.client(socketTimeoutMS=None) as client:
        client.admin.command("replSetInitiate", config)
        eventually(lambda: client.admin.command("hello")["isWritablePrimary"])
        config = client.admin.command("replSetGetConfig")["config"]
        config["members"].append({"_id": 1, "host": DOWN, "priority": 0, "votes": 0})
        client.admin.command("replSetReconfig", config | {"version": config["version"] + 1})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def guarded(server_directory: Path) -> Iterator[ReplicaSet]:
    """With a login, a small oplog, and users who may do more and less."""
    directory = server_directory / "doctor-guarded"
    with ReplicaSet(directory, user="root", password=PASSWORD, extra_args=SMALL_OPLOG) as servers:
        with servers.client() as client:
            client.shop.users.insert_one({})
            reads = [{"role": "read", "db": "shop"}]
            client.admin.command("createUser", "stranger", pwd=PASSWORD, roles=[{"role": "read", "db": "other"}])
            client.admin.command("createUser", "reader", pwd=PASSWORD, roles=reads)
            monitors = [*reads, {"role": "clusterMonitor", "db": "admin"}]
            client.admin.command("createUser", "monitor", pwd=PASSWORD, roles=monitors)
        yield servers


def at_last(find: Callable[[], T], check: Callable[[T], None]) -> T:
    """Return what is found, once `check` raises nothing. A driver that waits half a second may not hear of a busy server."""

    def look() -> list[T]:
        found = find()
        check(found)
        return [found]

    return eventually(look, 60)[0]


def answered(values: Document) -> dict[str, Finding]:
    """Return what is found of a server, once it has answered."""

    def check(found: dict[str, Finding]) -> None:
        assert found["mongodb.reachable"].outcome is Outcome.OK

    return at_last(lambda: look_at_mongodb(values), check)


def check_code(error: Outage, code: str) -> None:
    assert error.code == code


def test_all_is_well(mongo: ReplicaSet, db: Database[Document]) -> None:
    db.users.insert_one({})
    found = look_at_mongodb(settings(mongo.uri(db.name), watch_collections=["users"]))
    assert problems(found).keys() <= {"mongodb.oplog"}  # the disk decides on the size of that
    assert "primary 127.0.0.1:" in found["mongodb.replica-set"].text
    assert found["mongodb.collections"].text == "1 of 1 are watched: users"
    assert found["mongodb.images"].outcome is Outcome.NOT_CHECKED


def test_nobody_is_there() -> None:
    values = settings("mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=500")
    words = ("127.0.0.1:1", "refused", "systemctl start mongod", "mongodb_uri")
    found = at_last(lambda: look_at_mongodb(values), lambda found: check_fix(found["mongodb.reachable"], Outcome.FAILED, *words))
    others = [finding for name, finding in found.items() if name != "mongodb.reachable"]
    assert {finding.text for finding in others} == {"because mongodb.reachable failed"}


def test_standalone(standalone: Mongod) -> None:
    found = look_at_mongodb(settings(f"mongodb://{standalone.address}/shop"))
    assert found["mongodb.reachable"].outcome is Outcome.OK
    check_fix(found["mongodb.replica-set"], Outcome.FAILED, "standalone", "--replSet rs0", "rs.initiate()")
    assert found["mongodb.privileges"].text == "because mongodb.replica-set failed"


def test_not_initiated(uninitiated: Mongod) -> None:
    found = answered(settings(f"mongodb://{uninitiated.address}/shop?serverSelectionTimeoutMS=500"))
    assert found["mongodb.reachable"].outcome is Outcome.OK
    check_fix(found["mongodb.replica-set"], Outcome.FAILED, "not initiated", "rs.initiate()")


def test_members_with_names_that_lead_nowhere(far: Mongod, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a replica set is initiated inside a container, and somebody connects from outside."""
    resolve = socket.getaddrinfo

    def without_localhost(host: str, *others: Any, **options: Any) -> Any:
        if host == "localhost":
            raise socket.gaierror("Name or service not known")
        return resolve(host, *others, **options)

    monkeypatch.setattr(socket, "getaddrinfo", without_localhost)
    values = settings(f"mongodb://{far.address}/shop?replicaSet=rs0&serverSelectionTimeoutMS=1000")
    words = ("the members call themselves", f"localhost:{far.port}", "rs.reconfig()")
    at_last(lambda: look_at_mongodb(values), lambda found: check_fix(found["mongodb.reachable"], Outcome.FAILED, *words))


def test_another_replica_set(mongo: ReplicaSet) -> None:
    uri = f"mongodb://{mongo.addresses}/shop?replicaSet=other&serverSelectionTimeoutMS=500"
    found = answered(settings(uri))
    assert found["mongodb.reachable"] == ok("a server answers")
    words = (f"names the replica set 'other', and {mongo.addresses} is in '{mongo.name}'", f"Write replicaSet={mongo.name} in")
    check_fix(found["mongodb.replica-set"], Outcome.FAILED, *words)
    assert "rs.initiate" not in found["mongodb.replica-set"].fix


def test_a_worker_says_which_replica_set_it_is(mongo: ReplicaSet) -> None:
    uri = f"mongodb://{mongo.addresses}/shop?replicaSet=other&serverSelectionTimeoutMS=500"

    def refusal() -> Outage:
        with closing(ChangeStream(as_settings(settings(uri)))) as stream, pytest.raises(Outage) as caught:
            stream.open_now()
        return caught.value

    error = at_last(refusal, lambda error: check_code(error, "NotThisReplicaSet"))
    assert f"is in '{mongo.name}'" in str(error)


def test_a_replica_set_of_a_standalone_server(standalone: Mongod) -> None:
    found = answered(settings(f"mongodb://{standalone.address}/shop?replicaSet=rs0&serverSelectionTimeoutMS=500"))
    check_fix(found["mongodb.replica-set"], Outcome.FAILED, f"{standalone.address} is in none", "rs.initiate()")


def test_wrong_password(guarded: ReplicaSet) -> None:
    found = look_at_mongodb(settings(guarded.uri("shop", user="reader", password="wrong-one")))
    assert found["mongodb.reachable"].outcome is Outcome.OK
    assert found["mongodb.replica-set"].outcome is Outcome.OK
    check_fix(found["mongodb.authentication"], Outcome.FAILED, "Authentication failed", "authSource")
    assert "wrong-one" not in str(found)


def test_missing_right(guarded: ReplicaSet) -> None:
    found = look_at_mongodb(settings(guarded.uri("shop", user="stranger", password=PASSWORD)))
    assert found["mongodb.authentication"].text == "as stranger, of admin"
    grant = 'db.getSiblingDB("admin").grantRolesToUser("stranger", [{role: "read", db: "shop"}])'
    check_fix(found["mongodb.privileges"], Outcome.FAILED, "not authorized on shop", grant)
    assert found["mongodb.collections"].text == "because mongodb.privileges failed"


def test_rights_on_all_databases(guarded: ReplicaSet) -> None:
    """The commands that doctor prints are what is missing, and no more."""
    shared = settings(guarded.uri("", user="reader", password=PASSWORD), watch_databases=["sho*"])
    found = look_at_mongodb(shared)["mongodb.privileges"]
    check_fix(found, Outcome.FAILED, "changeStream on all databases is missing; it is granted only on shop")
    grants = re.findall(r'grantRolesToUser\("reader", \[\{role: "(\w+)", db: "admin"\}\]\)', found.fix)
    [(role, privileges)] = re.findall(r'createRole\(\{role: "(\w+)", privileges: (\[.*\]), roles', found.fix)
    assert grants == ["readAnyDatabase", role]
    with guarded.client() as client:
        client.admin.command("createRole", role, privileges=json.loads(privileges), roles=[])
        for granted in grants:
            client.admin.command("grantRolesToUser", "reader", roles=[{"role": granted, "db": "admin"}])
            found_then = look_at_mongodb(shared)
            assert found_then["mongodb.privileges"].outcome is Outcome.OK, granted
            assert found_then["mongodb.collections"].text == "1 of 1 in 1 databases are watched: shop.users"
            client.admin.command("revokeRolesFromUser", "reader", roles=[{"role": granted, "db": "admin"}])
        client.admin.command("updateRole", role, privileges=json.loads(privileges)[:1])
        client.admin.command("grantRolesToUser", "reader", roles=[{"role": role, "db": "admin"}])
        check_fix(
            look_at_mongodb(shared)["mongodb.privileges"], Outcome.WARNING, "without listDatabases on the cluster", "createRole"
        )
        client.admin.command("dropRole", role)


def test_no_login_where_one_is_wanted(guarded: ReplicaSet) -> None:
    found = look_at_mongodb(settings(f"mongodb://{guarded.addresses}/shop?replicaSet={guarded.name}"))
    check_fix(found["mongodb.privileges"], Outcome.FAILED, "mongodb://user:password@host/shop")


def test_oplog_needs_a_role_to_be_seen(guarded: ReplicaSet) -> None:
    uri = guarded.uri("shop", user="reader", password=PASSWORD)
    grant = 'grantRolesToUser("reader", [{role: "clusterMonitor", db: "admin"}])'
    check_fix(look_at_mongodb(settings(uri))["mongodb.oplog"], Outcome.NOT_CHECKED, "HEADROOM", grant)
    check_fix(look_at_mongodb(settings(uri, start_from="earliest"))["mongodb.oplog"], Outcome.FAILED, "earliest", grant)


def test_small_oplog(guarded: ReplicaSet) -> None:
    found = look_at_mongodb(settings(guarded.uri("shop", user="monitor", password=PASSWORD)))
    assert problems(found).keys() == {"mongodb.oplog"}
    check_fix(found["mongodb.oplog"], Outcome.WARNING, "only 16 MB", "replSetResizeOplog")


def test_names_that_match_nothing(guarded: ReplicaSet) -> None:
    uri = guarded.uri("shop", user="reader", password=PASSWORD)
    found = look_at_mongodb(settings(uri, watch_collections=["user", "user*"]))
    check_fix(found["mongodb.collections"], Outcome.WARNING, "'user'; did you mean 'users'?")
    found = look_at_mongodb(settings(uri, exclude_collections=["usres"]))
    check_fix(found["mongodb.collections"], Outcome.WARNING, "exclude_collections", "did you mean 'users'?")


def test_views_and_time_series(db: Database[Document], mongo: ReplicaSet) -> None:
    db.users.insert_one({})
    db.create_collection("load", timeseries={"timeField": "at"})
    db.create_collection("recent", viewOn="users", pipeline=[])
    both = settings(mongo.uri(db.name), watch_collections=["users", "recent", "load"])
    check_fix(look_at_mongodb(both)["mongodb.collections"], Outcome.WARNING, "recent is a view", "load is a time series")
    found = look_at_mongodb(settings(mongo.uri(db.name)))["mongodb.collections"]
    assert (found.outcome, "no changes come of the time series load" in found.text) == (Outcome.OK, True)


def test_a_new_oplog_is_not_full(db: Database[Document], mongo: ReplicaSet) -> None:
    stream = ChangeStream(as_settings(settings(mongo.uri(db.name))))
    try:
        oplog = stream.oplog()
    finally:
        stream.close()
    assert oplog is not None
    assert not oplog.is_full
    assert 0 < (oplog.size or 0) < (oplog.max_size or 0)


def test_an_oplog_keeps_what_it_has_to(far: Mongod) -> None:
    """storage.oplogMinRetentionHours, which only serverStatus tells."""
    with far.client() as client:
        client.admin.command("replSetResizeOplog", 1, minRetentionHours=1.5)
    stream = ChangeStream(as_settings(settings(f"mongodb://{far.address}/shop?replicaSet=rs0")))
    try:
        oplog = stream.oplog()
    finally:
        stream.close()
    assert oplog is not None
    assert oplog.retention_seconds == 5400


def test_database_that_is_misspelt(guarded: ReplicaSet) -> None:
    found = look_at_mongodb(settings(guarded.uri("shopp")))
    check_fix(found["mongodb.collections"], Outcome.WARNING, "'shopp'", "did you mean 'shop'?")


def test_images(db: Database[Document], mongo: ReplicaSet) -> None:
    db.users.insert_one({})
    command = f'db.getSiblingDB("{db.name}").runCommand({{collMod: "users", changeStreamPreAndPostImages: {{enabled: true}}}})'
    required = settings(mongo.uri(db.name), full_document_before_change="required")
    check_fix(look_at_mongodb(required)["mongodb.images"], Outcome.FAILED, "users", command)
    when_there = settings(mongo.uri(db.name), full_document="whenAvailable")
    check_fix(look_at_mongodb(when_there)["mongodb.images"], Outcome.WARNING, command)
    db.command("collMod", "users", changeStreamPreAndPostImages={"enabled": True})
    assert look_at_mongodb(required)["mongodb.images"].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("ahead_s", "outcome", "words"),
    [(-600, Outcome.WARNING, "ahead of this host's"), (600, Outcome.WARNING, "behind"), (-7200, Outcome.FAILED, "an hour ahead")],
)
def test_clock(ahead_s: float, outcome: Outcome, words: str, mongo: ReplicaSet) -> None:
    found = look_at_mongodb(settings(mongo.uri("shop")), now=lambda: time.time() + ahead_s)
    check_fix(found["mongodb.clock"], outcome, words, "timedatectl")


def test_a_member_that_is_down(far: Mongod) -> None:
    found = look_at_mongodb(settings(f"mongodb://{far.address}/shop?replicaSet=rs0"))
    check_fix(found["mongodb.majority"], Outcome.WARNING, f"no answer from {DOWN}", "start these members")


BAD_QUERIES = [
    '{"a": {"$gtt": 1}}', '{"$expr": {"$nonsense": 1}}', '{"$expr": {"$gt": [1]}}', '{"$and": 5}', '{"a": {"$regex": "("}}',
    '{"a": {"$type": 99}}', '{"a": {"$in": 1}}', '{"at": {"$date": "yesterday"}}', '{"a": {"$elemMatch": 1}}',
]  # fmt: skip
GOOD_QUERY = '{"at": {"$gt": {"$date": "2024-01-01T00:00:00Z"}}, "$expr": {"$lt": ["$a", "$b"]}}'


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_query_that_mongodb_does_not_take(mongo: ReplicaSet, db: Database[Document], query: str) -> None:
    db.users.insert_one({})
    filters = {"users": GOOD_QUERY, "to_be_created": query}
    found = look_at_mongodb(settings(mongo.uri(db.name), snapshot_filter=filters))
    check_fix(found["mongodb.snapshot-filters"], Outcome.FAILED, "snapshot_filter.to_be_created", "[snapshot_filter]")


def test_queries_that_mongodb_takes(guarded: ReplicaSet) -> None:
    uri = guarded.uri("shop", user="reader", password=PASSWORD)
    values = settings(uri, snapshot_filter={"users": GOOD_QUERY, "to_be_created": "{}"})
    assert look_at_mongodb(values)["mongodb.snapshot-filters"].outcome is Outcome.OK
