"""The one way from a record to its message, whatever its envelope."""

from __future__ import annotations

from typing import Any

from watcher.decoding import debezium, document, mongodb
from watcher.decoding.avro import SchemaOf, content_of
from watcher.decoding.headers import Headers, WatcherHeaders
from watcher.decoding.message import Message, UnknownMessage, iso_of, without_schema
from watcher.decoding.places import CollectionName, TopicPlaces
from watcher.operations import TOMBSTONE

USUAL_PLACES = TopicPlaces()

DAMAGED = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""Errors of reading something else than expected."""


def decode(
    key: bytes | str | None,
    value: bytes | str | None,
    headers: Headers | None = None,
    *,
    topic: str = "",
    time_ms: int = 0,
    places: TopicPlaces = USUAL_PLACES,
) -> Message:
    """Return the message in a record of Kafka, with the fields that the generic envelope has. `time_ms` is the record's time.

    `places` reads the topic's name for the documents of the envelope `document`, whose messages do not say where they are from, and
    knows the schemas of Avro, whose errors are raised.
    The second message of a delete, without a value, has the operation TOMBSTONE. Raises UnknownMessage if no watcher wrote the
    record.
    """
    told = WatcherHeaders.of(headers)
    content = content_of(value, places.schema_of)
    if told is None:
        if isinstance(content, dict) and "watcher" in content:
            return content
        raise UnknownMessage("JSON, but without the fields of a watcher's message" if value else "empty, and without headers")
    if isinstance(content, dict) and content.get("watcher") == told.watcher and content.get("sequence") == told.sequence:
        return content
    try:
        return _told(_change(told, content_of(key, places.schema_of), content, places.of(topic)), told, time_ms)
    except DAMAGED as error:
        raise UnknownMessage(f"it has a watcher's headers, but cannot be read: {error!r}") from None


def decode_peer(
    key: bytes | str | None, value: bytes | str | None, *, time_ms: int = 0, schema_of: SchemaOf | None = None
) -> Message | None:
    """Return the message that Debezium or MongoDB's connector has written, without the fields that are the watcher's own.

    None for a tombstone. Raises UnknownMessage if it is neither's.
    """
    content = content_of(value, schema_of)
    if without_schema(content) is None:
        return None
    try:
        if debezium.is_change(content):
            return debezium.read(content_of(key, schema_of), content)
        if mongodb.is_change(event := mongodb.unwrapped(content)):
            message = mongodb.read(event)
            return {**message, "timestamp": message["timestamp"] or iso_of(time_ms)}
    except DAMAGED as error:
        raise UnknownMessage(f"it cannot be read: {error!r}") from None
    raise UnknownMessage("JSON, but neither of Debezium nor of MongoDB's connector")


def _change(told: WatcherHeaders, key: Any, content: Any, place: CollectionName) -> Message:
    """Read the change in the envelope that it has."""
    if told.operation == TOMBSTONE:
        key = debezium.document_key(key)["_id"] if debezium.is_key(key) else key
        return {**document.read("delete", place, key, None), "operationType": TOMBSTONE}
    if debezium.is_change(content) and debezium.is_key(key):
        return debezium.read(key, content)
    if mongodb.is_event(content, told.event_id):
        return mongodb.read(content)
    return document.read(told.operation, place, key, content)


def _told(message: Message, told: WatcherHeaders, time_ms: int) -> Message:
    """Add what the headers say, which is more exact."""
    whole = {
        **message,
        "operationType": told.operation,
        "timestamp": message.get("timestamp") or iso_of(time_ms),
        "eventId": told.event_id or None,
        "watcher": told.watcher,
        "sequence": told.sequence,
    }
    whole.pop("snapshot", None)
    return whole | ({"snapshot": told.snapshot} if told.snapshot else {})
