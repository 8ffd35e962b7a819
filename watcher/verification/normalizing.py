"""Brings messages, an old watcher's and ours, into a common form that can be compared. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from watcher.decoding.plain_json import plain
from watcher.operations import TOPIC_OF
from watcher.verification.difference import NOTHING, at_path
from watcher.verification.mapping import KAFKA_KEY, PLACE, TopicMapping
from watcher.verification.pairing import Told

ABSENT = {"$absent": True}
"""Stands for the value of a field that a message lacks. No JSON of MongoDB's uses that name."""


def old_told(topic: str, mapping: TopicMapping, record_key: bytes | None, value: Any, record_ms: int) -> Told | None:
    """The change that an old message reports, in our terms; `record_ms` is its time in Kafka.

    None if it has no key, no usable time, or an operation that the mapping does not name.
    """
    key = _key(mapping.key, value, record_key)
    operation: object = mapping.operation
    if not isinstance(mapping.operation, str):
        operation = mapping.operation.values.get(str(at_path(value, mapping.operation.field)))
    told_at = time_ms(at_path(value, mapping.time)) if mapping.time else record_ms
    if not key or operation is None or told_at is None:
        return None
    values = {ours: _or_absent(at_path(value, old)) for old, ours in mapping.fields.items()}
    return Told(mapping.collection, str(operation), topic, key, told_at, values)


def our_told(topics: Mapping[str, TopicMapping], message: Mapping[str, Any], number: int) -> Iterator[Told]:
    """Yield the change that our message number `number` reports, once for each old topic that covers it, with that topic's key and
    fields. A document that a snapshot has copied is no change: the old watcher has no message about it.
    """
    if "snapshot" in message:
        return
    operation = TOPIC_OF.get(message["operationType"], "")
    told_at = time_ms(message["timestamp"]) or 0
    for topic, mapping in topics.items():
        if mapping.collection == message.get("collection") and operation in mapping.operations:
            key = _key(mapping.our_key, message) or _key_text(ABSENT)
            values = {path: _or_absent(at_path(message, path)) for path in mapping.fields.values()}
            yield Told(mapping.collection, operation, topic, key, told_at, values, number)


def _key(expression: str, value: Any, record_key: bytes | None = None) -> str | None:
    """Evaluate a key expression; None if a part of it is missing."""
    paths = PLACE.findall(expression) or [expression]
    parts = [(record_key or b"").decode("utf-8", "replace") if path == KAFKA_KEY else at_path(value, path) for path in paths]
    if NOTHING in parts:
        return None
    texts = iter([_key_text(part) for part in parts])
    return PLACE.sub(lambda _: next(texts), expression) if PLACE.search(expression) else next(texts)


def _or_absent(value: Any) -> Any:
    return ABSENT if value is NOTHING else value


def or_null(value: Any) -> Any:
    """Convert a value of `Told.values` back to JSON's form: null for a missing field."""
    return None if value == ABSENT else value


def _key_text(key: Any) -> str:
    """Return a key as text, so that a value of any type is the same in whatever dialect it was written."""
    key = plain(key)
    return key if isinstance(key, str) else orjson.dumps(key).decode()


def time_ms(value: Any) -> int | None:
    """Convert a number of milliseconds, or an ISO time, to milliseconds since 1970; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    except (TypeError, ValueError):
        return None
