"""The one set of writes on which our messages are held against those of Debezium and of MongoDB's connector.

Every operation, every type of BSON, edge values, transactions, images before the change, and documents that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from tests.support.mongodb_transactions import in_transaction
from tests.unit.bson_types import TYPES, raw_document

Documents = Database[dict[str, Any]]

NOON = DatetimeMS(1_704_110_400_000)
OID = ObjectId("65f0c1a2b3c4d5e6f7a8b9c0")
END = "end"
"""Name of the collection that is written last."""

IDS: tuple[Any, ...] = (
    OID, "a text", "", 7, Int64(8), 9.5, Int64(9_007_199_254_740_993), Decimal128("10.00"), True, {"a": 1, "b": OID},
    Binary(b"bytes"), Binary(bytes(range(16)), 4), NOON, Timestamp(1_704_110_400, 7), MinKey(), MaxKey(), None,
)  # fmt: skip
NAMES = {"a.b": 1, "$c": 2, "": 3, 'é\u2028"\\\n': 4, "a": {"b.c": {"$d": 5}}}
"""Names of fields that are legal and odd."""


def prepare(db: Documents) -> None:
    """Write the documents that are there already: each type, each `_id`, and some with more than one level."""
    db.create_collection("images", changeStreamPreAndPostImages={"enabled": True})
    db.create_collection("orders")
    db["there_types"].insert_many(typed_documents())
    db["there_ids"].insert_many([{"_id": id_, "n": number} for number, id_ in enumerate(IDS)])
    db["there_people"].insert_one({"_id": OID, "name": "Ada", "address": {"city": "London", "lines": ["a", "b"]}, "born": NOON})


def write(client: MongoClient[dict[str, Any]], db: Documents) -> Iterator[None]:
    """Make all changes, the one to the collection `end` last.

    Yields after each update: who looks up its document should have done so before the next change, or it finds a later one.
    """
    db["types"].insert_many(typed_documents())
    db["names"].insert_one({"_id": 1, **NAMES})
    yield from _of_ids(db)
    yield from _of_people(db)
    yield from _of_images(db)
    yield from _in_transactions(client, db)
    _of_collections(db)
    db[END].insert_one({"_id": 1})


def typed_documents() -> Iterator[Any]:
    """A document for each type, as raw BSON: some cannot be encoded by pymongo. Its `_id` names the type."""
    for sample in TYPES:
        yield RawBSONDocument(raw_document(bson.encode({"_id": sample.name})[4:-1] + sample.document[4:-1]))


def _of_ids(db: Documents) -> Iterator[None]:
    ids = db["ids"]
    ids.insert_many([{"_id": id_, "n": number} for number, id_ in enumerate(IDS)])
    for number, id_ in enumerate(IDS):
        ids.update_one({"_id": id_}, {"$set": {"n": -number}})
    yield
    for id_ in IDS:
        ids.delete_one({"_id": id_})


def _of_people(db: Documents) -> Iterator[None]:
    """Every form of an update: of nested fields, arrays, truncated ones, removed fields, by a pipeline, and none at all."""
    people, ada = db["people"], {"_id": OID}
    person = {"name": "Ada", "address": {"city": "London", "zip": "N1"}, "tags": ["a", "b", "c", "d"], "age": 36, "born": NOON}
    people.insert_one({**ada, **person})
    changes: tuple[Any, ...] = (
        {"$set": {"name": "Ada Lovelace", "address.city": "Paris"}, "$unset": {"age": ""}},
        {"$set": {"address.geo": {"lat": 48.5, "lon": Decimal128("2.35")}, "at": NOON, "id": OID}},
        {"$set": {"tags.1": "B"}},
        {"$push": {"tags": "e"}},
        {"$unset": {"address.zip": "", "address.geo.lat": ""}},
        [{"$set": {"tags": {"$slice": ["$tags", 2]}}}],
        [{"$set": {"tags": {"$concatArrays": [{"$slice": ["$tags", 1]}, ["z"]]}, "n": Int64(2**53 + 1)}}, {"$unset": "at"}],
        {"$rename": {"name": "title"}},
        {"$inc": {"n": Int64(1)}},
        {"$set": {"e": {}, "l": [], "z": None, "x": float("nan")}},
    )
    for change in changes:
        people.update_one(ada, change)
        yield
    people.update_one({"_id": "new"}, {"$set": {"name": "by upsert"}}, upsert=True)
    people.replace_one(ada, {"name": "Grace", "born": NOON})
    people.delete_one(ada)
    people.insert_one({"_id": "gone", "n": 1})


def _of_images(db: Documents) -> Iterator[None]:
    """Changes to a collection that keeps the documents before the change."""
    images = db["images"]
    images.insert_one({"_id": 1, "n": 1, "l": Int64(5), "at": NOON})
    images.update_one({"_id": 1}, {"$set": {"n": 2}})
    yield
    images.replace_one({"_id": 1}, {"n": 3})
    images.delete_one({"_id": 1})


def _in_transactions(client: MongoClient[dict[str, Any]], db: Documents) -> Iterator[None]:
    in_transaction(
        client,
        lambda session: db["orders"].insert_many([{"_id": number, "n": number} for number in range(3)], session=session),
        lambda session: db["orders"].update_one({"_id": 1}, {"$inc": {"n": 10}}, session=session),
        lambda session: db["orders"].delete_one({"_id": 2}, session=session),
    )
    yield


def _of_collections(db: Documents) -> None:
    db["old"].insert_one({"_id": 1})
    db["old"].rename("new")
    db["new"].drop()
