"""Real sinks in Kafka Connect read what a watcher writes: their database ends up equal to the source.

Each is configured as docs/formats.md says. `--long` has more writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import bson
import orjson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from tests.support.kafka_connect import KafkaConnect
from tests.support.mongodb_transactions import in_transaction
from tests.support.peer_writes import IDS, OID
from tests.support.records import end_offsets
from tests.support.sink_docs import SinkExample, sink_example
from tests.support.waiting import eventually
from tests.support.worker import Launch
from tests.unit.bson_types import TYPES
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.registry_fixtures", "tests.support.worker_fixtures"]

Document = dict[str, Any]
ARRIVAL_SECONDS = 60.0
WRITES, WRITES_OF_LONG_FORM = 300, 10_000

LOST = ("undefined", "symbol", "DBPointer", "string, invalid UTF-8")
"""Beginnings of the names of types that no dialect keeps."""

CODEC: CodecOptions[Document] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
KEPT = [sample for sample in TYPES if not sample.name.startswith(LOST)]
ANY_VALUES = [bson.decode(sample.document, CODEC)["v"] for sample in KEPT]
ANY_VALUES += [{"a": {"b": [1, 2]}}, ["x", {"y": 1}, [None]], {"a.b": 1, "": 2, 'é\u2028"\\\n': {"b.c": 3}}]
ROW_VALUES = [
    "text", 7, Int64(2**53 + 1), 1.5, float("inf"), True, None, OID, Decimal128("1.10"), Binary(b"abc"),
    DatetimeMS(1_704_110_400_120), {"a": {"b": "c"}}, [1, 2], [{"a": 1}, {"a": 2}],
]  # fmt: skip
"""Values of which Kafka Connect has a type. It has none for an array of different ones."""

TEXTS = [f"id {number}" for number in range(20)]

FROM_AVRO = "Flat rows from Avro"
"""The title of the example for which there has to be a registry."""

SIMPLE_IDS: list[Any] = [*TEXTS, *range(5), *(ObjectId(f"{number:024x}") for number in range(10))]


def exact(raw: bytes) -> bytes:
    """A document to the last byte: every type, and the order of its fields."""
    return raw


def plain(raw: bytes) -> Any:
    """A document as the plain dialect has it."""
    dialect = DIALECTS["plain"]
    return json.dumps(orjson.loads(dialect.dumps(dialect.decode(raw))), sort_keys=True)


def row(raw: bytes) -> bytes:
    """A document as Kafka Connect's types have it."""
    return bson.encode(_in_row(bson.decode(raw, CODEC)))


def _in_row(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_row(each) for name, each in value.items()}
    return str(value) if isinstance(value, ObjectId | Decimal128) else value


class Case(NamedTuple):
    """Documents that go through a sink: the `_id`s and values they may have, and the form in which source and copy are equal.

    `title` is that of the example, and `settings` are added to it.
    """

    title: str
    ids: Sequence[Any]
    values: Sequence[Any]
    form: Callable[[bytes], Any]
    settings: Mapping[str, Any] = {}


CASES = {
    "debezium": Case("A copy in MongoDB with all types, by Debezium's format", [*SIMPLE_IDS, *IDS], ANY_VALUES, exact),
    "mongodb": Case("A copy in MongoDB with all types, by change events", [*SIMPLE_IDS, *IDS], ANY_VALUES, exact),
    "document": Case("A copy in MongoDB of plain documents", [*SIMPLE_IDS, Binary.from_uuid(UUID(int=7))], ANY_VALUES, plain),
    "document-strict": Case("A copy in MongoDB of plain documents", TEXTS, ANY_VALUES, exact, {"json_format": "strict"}),
    "rows": Case("Flat rows for any sink, by ExtractNewDocumentState", SIMPLE_IDS, ROW_VALUES, row),
    "rows-avro": Case(FROM_AVRO, SIMPLE_IDS, ROW_VALUES, row),
}


def change(items: Collection[Document], case: Case, rng: Random) -> None:
    """One random write to one of the documents."""
    which, value = {"_id": rng.choice(case.ids)}, rng.choice(case.values)
    match rng.randrange(6):
        case 0:
            items.replace_one(which, {"replaced": value}, upsert=True)
        case 1 | 2:
            items.update_one(which, {"$set": {"v": value, "nested.deep": value}, "$unset": {"old": ""}}, upsert=True)
        case 3:
            items.update_one(which, {"$push": {"list": {"$each": [rng.randrange(9), rng.randrange(9)]}}})
        case 4:
            items.update_one(which, [{"$set": {"list": {"$slice": [{"$ifNull": ["$list", [0]]}, 1]}}}])
        case _:
            items.delete_one(which)


def update_and_delete(client: MongoClient[Document], items: Collection[Document]) -> None:
    """Change a document that is gone when it is looked up, since all of a transaction comes at once."""
    items.insert_one({"_id": "soon gone", "v": 1})
    in_transaction(
        client,
        lambda session: items.update_one({"_id": "soon gone"}, {"$set": {"v": 2}}, session=session),
        lambda session: items.delete_one({"_id": "soon gone"}, session=session),
    )


def content(db: Database[Document], form: Callable[[bytes], Any]) -> list[Any]:
    raw: Database[RawBSONDocument] = db.with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    return sorted(form(bytes(document.raw)) for document in raw["items"].find())


@contextmanager
def running(connect: KafkaConnect, name: str, example: SinkExample) -> Iterator[None]:
    connect.put(name, example.properties)
    try:
        yield
    finally:
        connect.remove(name)


@pytest.mark.parametrize("name", CASES)
def test_a_sink_ends_up_with_what_the_source_has(
    name: str, connect: KafkaConnect, apache: ApacheKafka, mongo: ReplicaSet, mongo_client: MongoClient[Document],
    db: Database[Document], launch: Launch, prefix: str, rng: Random, seed: int, long_form: bool, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    """Documents that are there already, random writes and deletes."""
    print(f"--seed {seed}")
    case, items, copy = CASES[name], db["items"], mongo_client[f"{prefix}_copy"]
    topic = f"{prefix}.{db.name}.items"
    registry = {"http://localhost:8081": request.getfixturevalue("registry").root} if case.title == FROM_AVRO else {}
    example = sink_example(
        case.title,
        {
            **registry,
            "mongodb://localhost:27017/shop": mongo.uri(db.name),
            "mongodb://localhost:27017": mongo.uri(),
            "localhost:9092": apache.bootstrap,
            "shop-watcher": f"{prefix}-watcher",
            "inventory.shop.items": topic,
            "inventory.": f"{prefix}.",
            '"copy"': f'"{copy.name}"',
        },
    )
    items.insert_many([{"_id": id_, "old": rng.choice(case.values)} for id_ in case.ids])
    items.insert_many([{"_id": f"untouched {number}", "v": value} for number, value in enumerate(case.values)])
    launch({**example.settings, **case.settings}).reached()
    eventually(lambda: end_offsets(apache.bootstrap, [topic]))  # else the sink would look for the topic again after minutes
    with running(connect, f"sink-{prefix}", example):
        update_and_delete(mongo_client, items)
        for _ in range(WRITES_OF_LONG_FORM if long_form else WRITES):
            change(items, case, rng)
        items.insert_one({"_id": "last"})

        def is_equal() -> bool:
            assert connect.runs(f"sink-{prefix}")
            assert content(copy, case.form) == content(db, case.form)
            return True

        eventually(is_equal, ARRIVAL_SECONDS, interval_s=0.3)
    mongo_client.drop_database(copy.name)
