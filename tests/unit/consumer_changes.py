"""Messages as a consumer reads them, for the tests of its parts."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka import Message as Record

from watcher.consumer import (
    Change,
)
from watcher.consumer.change import read

P = ("t", 0)


def record(value: bytes | None, offset: int = 5) -> Record:
    return Record(topic="t", partition=0, offset=offset, key=b'"k"', value=value)


def message(**fields: Any) -> dict[str, Any]:
    standard = {"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": "k", "shard": 1}}
    return {**standard, "timestamp": "2024-01-01T12:00:00.756Z", "watcher": "w", "sequence": 7, "eventId": "e7", **fields}


def change(operation: str = "insert", collection: str | None = "users", *, offset: int = 5, **fields: Any) -> Change:
    value = message(operationType=operation, **fields)
    if collection is None:
        del value["collection"], value["documentKey"]
    else:
        value["collection"] = collection
    return read(record(json.dumps(value).encode(), offset), P)


def nothing(_: list[Change]) -> None:
    """A handler."""
