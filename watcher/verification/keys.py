"""Maps a message's key back to the possible `_id` values in MongoDB. Pure."""

from __future__ import annotations

import contextlib
import uuid
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from bson import json_util
from bson.binary import Binary, UuidRepresentation
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId

_READINGS: tuple[Callable[[str], Any], ...] = (
    str,
    ObjectId,
    Decimal128,
    lambda text: Binary.from_uuid(uuid.UUID(text), UuidRepresentation.STANDARD),
    lambda text: datetime.fromisoformat(text).astimezone(UTC),
    lambda text: Binary(b64decode(text, validate=True)),
)
"""Types that the plain dialect writes as a string."""


def possible_ids(key: bytes, json_format: str) -> list[Any]:
    """Return the `_id` values that may have produced this key. MongoDB itself compares numbers across their types."""
    if json_format != "plain":
        return [json_util.loads(key)]
    value = orjson.loads(key)
    return _readings(value) if isinstance(value, str) else [value]


def is_certain(key: bytes, json_format: str) -> bool:
    """True if `possible_ids` surely includes the right value. Within objects, plain JSON leaves too much open."""
    return json_format != "plain" or not isinstance(orjson.loads(key), dict)


def created_seconds(id_: object) -> int | None:
    """Creation time of an `_id`, in seconds since 1970 by the clock of the process that made it; None if the `_id` does not contain
    it.
    """
    return int(id_.generation_time.timestamp()) if isinstance(id_, ObjectId) else None


def _readings(text: str) -> list[Any]:
    values = []
    for reading in _READINGS:
        with contextlib.suppress(Exception):  # each library has errors of its own for what it cannot read
            values.append(reading(text))
    return values
