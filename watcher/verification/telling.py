"""What a message tells, an old watcher's or ours, in terms that can be compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from watcher.verification.difference import NOTHING, at_path
from watcher.verification.mapping import KAFKA_KEY, TopicMapping
from watcher.verification.pairing import Told

ABSENT = {"$absent": True}
"""Instead of the value of a field that a message lacks; no JSON of MongoDB's has that name."""

OURS = {"insert": "insert", "update": "update", "replace": "update", "delete": "delete"}


def old_told(mapping: TopicMapping, record_key: bytes | None, value: Any, time_ms: int) -> Told | None:
    """What an old message tells, in our terms; None when it has no key, or an operation that the mapping does not name."""
    key = (record_key or b"").decode("utf-8", "replace") if mapping.key == KAFKA_KEY else at_path(value, mapping.key)
    operation: object = mapping.operation
    if not isinstance(mapping.operation, str):
        operation = mapping.operation.values.get(str(at_path(value, mapping.operation.field)))
    told_at = _time_ms(at_path(value, mapping.time)) if mapping.time else time_ms
    if key is NOTHING or key == "" or operation is None or told_at is None:
        return None
    values = {ours: _or_absent(at_path(value, old)) for old, ours in mapping.fields.items()}
    return Told(mapping.collection, str(operation), _key_text(key), told_at, values)


def our_told(mappings: Iterable[TopicMapping], message: dict[str, Any]) -> Told | None:
    """What one of our messages tells, as far as the old watcher tells of such things too."""
    operation = OURS.get(message["operationType"], "")
    fitting = [m for m in mappings if m.collection == message.get("collection") and operation in m.operations]
    if not fitting:
        return None
    values = {path: _or_absent(at_path(message, path)) for mapping in fitting for path in mapping.fields.values()}
    told_at = _time_ms(message["timestamp"])
    key = _key_text(at_path(message, fitting[0].our_key))
    return Told(message["collection"], operation, key, told_at or 0, values)


def _or_absent(value: Any) -> Any:
    return ABSENT if value is NOTHING else value


def or_null(value: Any) -> Any:
    """A value of `Told.values`, as JSON has it."""
    return None if value == ABSENT else value


def _key_text(key: Any) -> str:
    """Keys as text, so that an ObjectId is the same however it was written."""
    if isinstance(key, dict) and key.keys() == {"$oid"}:
        key = key["$oid"]
    return key if isinstance(key, str) else orjson.dumps(_or_absent(key)).decode()


def _time_ms(value: Any) -> int | None:
    """Milliseconds since 1970 from a number of them or from an ISO time; None when it is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    except (TypeError, ValueError):
        return None
