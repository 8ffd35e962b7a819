"""Messages of MongoDB's connector by all converters and formats in which they are JSON: `compare` reads the same change in each."""

from __future__ import annotations

from typing import Any

from bson import Binary, DatetimeMS, Int64, ObjectId
from pymongo.database import Database

from tests.support import peers
from tests.support.kafka_connect import KafkaConnect
from tests.support.records import read_topics
from tests.support.waiting import eventually
from watcher.config.mongodb.scope import Scope
from watcher.decoding.decoder import decode_peer
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet
from watcher.verification.old_side import ConnectorSide
from watcher.verification.pairing import Told

ARRIVAL_SECONDS = 60.0
IN_JSON = {"value.converter": peers.JSON_CONVERTER}
WITH_SCHEMA = IN_JSON | {"value.converter.schemas.enable": "true"}
WITHOUT_SCHEMA = IN_JSON | {"value.converter.schemas.enable": "false"}
OWN_SCHEMA = {"output.format.value": "schema"}
VARIANTS: dict[str, dict[str, str]] = {
    "bare": {},
    "text": WITHOUT_SCHEMA,
    "text-in-schema": WITH_SCHEMA,
    "own-schema": OWN_SCHEMA | WITHOUT_SCHEMA,
    "own-schema-in-schema": OWN_SCHEMA | WITH_SCHEMA,
}


def told(apache: ApacheKafka, prefix: str, database: str, collection: str) -> list[Told]:
    """The changes in a connector's topic, as `compare` has them; without their times, which not all formats have."""
    side, found = ConnectorSide("peer", Scope(database)), []
    for number, record in enumerate(read_topics(apache.bootstrap, [f"{prefix}.{database}.{collection}"]), 1):
        if message := decode_peer(record.key, record.value):
            found += [each._replace(time_ms=0) for each in side.our_told(message, number)]
    return found


def test_all_converters_tell_the_same(
    connect: KafkaConnect, apache: ApacheKafka, mongo: ReplicaSet, database: str, db: Database[dict[str, Any]]
) -> None:
    names = {variant: f"{database}-{variant}" for variant in VARIANTS}
    for variant, name in names.items():
        usual = peers.mongodb(name, mongo.uri(database), database)
        connect.put(name, usual | {"startup.mode": "latest", "offset.partition.name": name} | VARIANTS[variant])

    def all_tell_of(collection: str, count: int) -> dict[str, list[Told]]:
        assert all(connect.runs(name) for name in names.values())
        if collection == "probe":
            db.probe.insert_one({})
        found = {variant: told(apache, name, database, collection) for variant, name in names.items()}
        assert {variant for variant, changes in found.items() if len(changes) < count} == set()
        return found

    eventually(lambda: all_tell_of("probe", 1), ARRIVAL_SECONDS, interval_s=0.5)
    for id_ in (1, Int64(5), "a", ObjectId(), Binary(bytes(16), 4), DatetimeMS(0), {"n": Int64(5)}):
        db.users.insert_one({"_id": id_, "at": DatetimeMS(5), "n": Int64(7), "tags": ["a", 2.5], "none": None})
        db.users.update_one({"_id": id_}, {"$set": {"name": "Ada"}, "$unset": {"none": 1}})
        db.users.replace_one({"_id": id_}, {"name": "Grace"})
        db.users.delete_one({"_id": id_})
    found = eventually(lambda: all_tell_of("users", 28), ARRIVAL_SECONDS, interval_s=0.5)
    for variant, changes in found.items():
        assert changes == found["bare"], variant
    for name in names.values():
        connect.remove(name)
