"""Change events as the server sends them, for the tests of the encoder."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

from watcher.messages.encoder import Encoder, MessageFormat
from watcher.messages.serializations.avro_schemas import SCHEMAS, MessageSchemas

RECORDED_FILE = Path(__file__).parents[1] / "data" / "change_events.jsonl"
"""Bytes that mongod 6.0.5 sent for the life of one document and its database; only the clock was turned to 1 January 2024."""

NOON_MS = 1_704_110_400_000
"""2024-01-01T12:00:00.000Z."""
USER_ID = ObjectId("65f0c1a2b3c4d5e6f7a8b9c0")
EVENT_ID = "826592A940000000132B022C0100296E5A100430773C4D072D4D4E9443F9D78C70F8A004"


def recorded() -> dict[str, bytes]:
    """The recorded events as raw BSON, by operation; of two drops the first."""
    events: dict[str, bytes] = {}
    for line in RECORDED_FILE.read_text(encoding="utf-8").splitlines():
        event = json_util.loads(line, json_options=json_util.CANONICAL_JSON_OPTIONS)
        events.setdefault(event["operationType"], bson.encode(event))
    return events


def change(operation: str, document_key: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A row change in `dashboard.users` at noon, with `fields` as they are."""
    return {
        "_id": {"_data": EVENT_ID},
        "operationType": operation,
        "clusterTime": Timestamp(NOON_MS // 1000, 1),
        "wallTime": DatetimeMS(NOON_MS),
        "ns": {"db": "dashboard", "coll": "users"},
        "documentKey": document_key or {"_id": USER_ID},
        **fields,
    }


def encoder(*, native: bool = True, **changes: Any) -> Encoder:
    """An encoder of the watcher `dashboard-watcher` with the default topics. In Avro, each schema has the id that is its place in
    AVRO_SCHEMAS."""
    topics = {f"topic_{name}": f"database.{name}" for name in ("insert", "update", "delete", "control")}
    made = MessageFormat(**{"watcher": "dashboard-watcher", "database": "dashboard", **topics, **changes})
    return Encoder(made, native=native, prefixes_of=prefixes_of)


AVRO_SCHEMAS = [record.schema for schemas in SCHEMAS.values() for record in (schemas.key, schemas.value)]


def prefixes_of(topic: str, schemas: MessageSchemas) -> tuple[bytes, bytes]:
    """The bytes before key and value in Avro."""
    key, value = (AVRO_SCHEMAS.index(record.schema) for record in (schemas.key, schemas.value))
    return struct.pack(">bI", 0, key), struct.pack(">bI", 0, value)
