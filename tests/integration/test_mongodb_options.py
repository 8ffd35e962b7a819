"""Options of the URI on a real MongoDB: none breaks a quiet stream, and the read preference is honoured by all that reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import BSON, Int64
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database

from tests.support.doctoring import look_at_mongodb
from tests.support.imitation import Imitation
from tests.support.mongodb_faults import failing
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import watcher_settings
from watcher.config import Settings
from watcher.doctor.check import Outcome
from watcher.errors import Outage
from watcher.model import Batch
from watcher.mongodb.change_stream import ChangeStream
from watcher.sandbox.mongod import Mongod, ReplicaSet
from watcher.verification.source import SourceReader

pytest_plugins = ["tests.support.mongodb_fixtures"]

Document = dict[str, Any]
FAIL_POINTS = ("--setParameter", "enableTestCommands=1")
NOTICED_WITHIN_S = 15.0
LAG_S = 1.0


@pytest.fixture(scope="module")
def mongo(failing_mongo: ReplicaSet) -> ReplicaSet:
    """One with fail points."""
    return failing_mongo


@pytest.fixture(scope="module")
def pair(server_directory: Path) -> Iterator[ReplicaSet]:
    """A primary and a secondary, with fail points."""
    with ReplicaSet(server_directory / "pair", size=2, extra_args=FAIL_POINTS) as replica_set:
        eventually(lambda: secondary_of(replica_set), 60)
        yield replica_set


def settings_of(uri: str) -> Settings:
    return Settings(name="shop", mongodb_uri=uri, kafka_brokers="h:9092", kafka_client_id="shop-watcher")


def read_one(stream: ChangeStream) -> Batch:
    read: list[Batch] = []

    def look() -> bool:
        read.append(stream.next())
        return bool(read[-1].events)

    eventually(look, 30)
    return read[-1]


@pytest.mark.parametrize(
    "option",
    [
        "socketTimeoutMS=1", "socketTimeoutMS=1000", "timeoutMS=500", "connectTimeoutMS=1", "serverSelectionTimeoutMS=1",
        "serverSelectionTimeoutMS=0", "maxIdleTimeMS=1", "maxPoolSize=1&waitQueueTimeoutMS=1", "minPoolSize=10",
        "heartbeatFrequencyMS=1", "readConcernLevel=linearizable", "readConcernLevel=snapshot", "retryReads=false", "w=0",
        "compressors=zlib", "directConnection=true", "maxStalenessSeconds=90&readPreference=nearest", "serverMonitoringMode=poll",
    ],
)  # fmt: skip
def test_a_quiet_stream_goes_on_with_any_of_them(option: str, mongo: ReplicaSet, db: Database[Document], database: str) -> None:
    uri = f"mongodb://{mongo.addresses}/{database}?{option}"
    with closing(ChangeStream(settings_of(uri))) as stream:
        stream.open(None)
        assert not stream.next().events
        db.users.insert_one({"_id": 1})
        assert read_one(stream).events


def test_a_reply_that_takes_long_is_waited_for(
    mongo: ReplicaSet, mongo_client: MongoClient[Document], db: Database[Document], database: str
) -> None:
    """As one does that passes over a million changes of other databases; a worker that gave it up would never come past them."""
    uri = f"mongodb://{mongo.addresses}/{database}?socketTimeoutMS=1000"
    with closing(ChangeStream(settings_of(uri))) as stream:
        stream.open(None)
        db.users.insert_one({"_id": 1})
        with failing(mongo_client, "getMore", app="shop-watcher", blockConnection=True, blockTimeMS=3000):
            assert read_one(stream).events


def test_a_network_that_swallows_packets_is_noticed_without_a_time_out_of_its_own(mongo_proxy: TcpProxy, database: str) -> None:
    uri = f"mongodb://{mongo_proxy.address}/{database}?directConnection=true&heartbeatFrequencyMS=500&connectTimeoutMS=2000"
    with closing(ChangeStream(settings_of(uri))) as stream:
        stream.open(None)
        stream.next()
        mongo_proxy.behave(swallow=True)
        since = time.monotonic()
        with pytest.raises(Outage):
            stream.next()
        assert time.monotonic() - since < NOTICED_WITHIN_S


def secondary_of(replica_set: ReplicaSet) -> Mongod | None:
    for node in replica_set.nodes:
        with node.client() as client:
            if client.admin.command("hello").get("secondary"):
                return node
    return None


def streams_on(node: Mongod) -> int:
    """Count the change streams' cursors that are open on it; those of closed streams go only after minutes."""
    with node.client() as client:
        of_change_streams = {"cursor.originatingCommand.pipeline.0.$changeStream": {"$exists": True}}
        stages: list[Document] = [{"$currentOp": {"idleCursors": True, "allUsers": True}}, {"$match": of_change_streams}]
        return len(list(client.admin.aggregate(stages)))


@pytest.mark.parametrize("mode", ["primary", "secondary", "secondaryPreferred"])
def test_the_stream_is_opened_and_read_where_the_read_preference_leads(mode: str, pair: ReplicaSet) -> None:
    secondary, primary = secondary_of(pair), pair.wait_for_primary()
    assert secondary is not None
    read_from, other = (primary, secondary) if mode == "primary" else (secondary, primary)
    before = streams_on(read_from), streams_on(other)
    with closing(ChangeStream(settings_of(pair.uri("shop") + f"&readPreference={mode}"))) as stream, pair.client() as client:
        stream.open(None)
        for number in range(20):
            client.shop.users.insert_one({"of": mode, "number": number})
            read_one(stream)
        assert stream.oldest_oplog_seconds()
        assert (streams_on(read_from), streams_on(other)) == (before[0] + 1, before[1])


def test_a_secondary_that_has_lost_the_position_is_left_for_the_primary(pair: ReplicaSet) -> None:
    """One that was synchronised anew has an oplog of that time on, and its error is no reason to give the position up."""
    secondary = secondary_of(pair)
    assert secondary is not None
    with closing(ChangeStream(settings_of(pair.uri("shop") + "&readPreference=secondary"))) as stream, pair.client() as client:
        stream.open(None)
        client.shop.users.insert_one({"before": "it was lost"})
        first = read_one(stream)
        client.shop.users.insert_one({"after": "it was lost"})
        with secondary.client() as control, failing(control, "getMore", app="shop-watcher", errorCode=286) as point:
            second = read_one(stream)
        assert point.strikes == 1
        assert [len(batch.events) for batch in (first, second)] == [1, 1]
        assert bson.decode(second.events[0])["fullDocument"]["after"]


def test_verify_never_takes_a_secondary_that_lags_for_the_truth(pair: ReplicaSet) -> None:
    secondary = secondary_of(pair)
    assert secondary is not None
    with SourceReader(settings_of(pair.uri("shop") + "&readPreference=secondary")) as source, pair.client() as client:
        users = client.shop.get_collection("users", write_concern=WriteConcern(w="majority"))
        users.insert_one({"_id": "known", "state": "old"})
        with secondary.client() as control:
            control.admin.command("configureFailPoint", "rsSyncApplyStop", mode="alwaysOn")
            users.with_options(write_concern=WriteConcern(w=1)).update_one({"_id": "known"}, {"$set": {"state": "new"}})
            later = threading.Timer(LAG_S, lambda: control.admin.command("configureFailPoint", "rsSyncApplyStop", mode="off"))
            later.start()
            source.time()
            found = source.by_ids("users", [BSON.encode({"_id": "known"})])
            later.join()
        assert [bson.decode(document.raw)["state"] for document in found.values()] == ["new"]


def test_doctor_looks_where_the_worker_reads(pair: ReplicaSet) -> None:
    uri = pair.uri("shop") + "&readPreference=secondary"
    with pair.client() as client:
        client.shop.users.insert_one({})
    found = look_at_mongodb(watcher_settings(uri, "localhost:1", "shop"))
    for name in ("mongodb.reachable", "mongodb.version", "mongodb.privileges", "mongodb.oplog"):
        assert found[name].outcome in (Outcome.OK, Outcome.WARNING), found[name]


def test_a_preference_that_no_member_fits_is_told_as_such(mongo: ReplicaSet, database: str) -> None:
    uri = f"{mongo.uri(database)}&readPreference=secondary&serverSelectionTimeoutMS=2000"
    with closing(ChangeStream(settings_of(uri))) as stream, pytest.raises(Outage) as caught:
        stream.open(None)
    assert "secondaryPreferred" in caught.value.hint
    found = look_at_mongodb(watcher_settings(uri, "localhost:1", database))
    assert found["mongodb.reachable"].outcome is Outcome.FAILED
    assert "secondaryPreferred" in found["mongodb.reachable"].fix


def test_doctor_names_what_an_imitation_lacks() -> None:
    hello = {"ok": 1, "localTime": datetime.now(UTC), "authInfo": {"authenticatedUsers": []}}
    version = {"ok": 1, "version": "7.0.0", "versionArray": [7, 0, 0, 0]}
    refusal = {"ok": 0, "code": 304, "errmsg": "Aggregation stage not supported: '$changeStream'"}
    with Imitation({"ping": hello, "connectionStatus": hello, "buildInfo": version, "aggregate": refusal}) as server:
        found = look_at_mongodb(watcher_settings(server.uri("shop"), "localhost:1", "shop"))
    privileges = found["mongodb.privileges"]
    assert privileges.outcome is Outcome.FAILED
    assert "$changeStream" in privileges.text
    assert "not supported" in privileges.fix


def test_doctor_warns_of_images_that_expire(mongo: ReplicaSet, mongo_client: MongoClient[Document], db: Database[Document]) -> None:
    db.create_collection("users", changeStreamPreAndPostImages={"enabled": True})
    values = watcher_settings(mongo.uri(db.name), "localhost:1", db.name) | {"full_document": "required"}
    try:
        keep_images(mongo_client, 600)
        found = look_at_mongodb(values)["mongodb.images"]
    finally:
        keep_images(mongo_client, "off")
    assert (found.outcome, "10m" in found.text) == (Outcome.WARNING, True)
    assert look_at_mongodb(values)["mongodb.images"].outcome is Outcome.OK


def keep_images(client: MongoClient[Document], seconds: int | str) -> None:
    images = {"expireAfterSeconds": Int64(seconds) if isinstance(seconds, int) else seconds}
    client.admin.command({"setClusterParameter": {"changeStreamOptions": {"preAndPostImages": images}}})
