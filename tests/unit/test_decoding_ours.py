"""Whatever the envelope, what a watcher writes is read as the change that it was."""

from __future__ import annotations

from typing import Any

import bson
import orjson
import pytest
from hypothesis import given, settings

from tests.golden_messages import cases
from tests.unit.change_events import change, encoder
from tests.unit.random_bson import documents
from watcher.decoding.decoder import decode
from watcher.decoding.plain_json import plain
from watcher.model import Message
from watcher.operations import ROW_OPERATIONS, TOMBSTONE

FORMATS = [
    *(("document", dialect) for dialect in ("plain", "extended")),
    ("debezium", "strict"),
    *(("mongodb", dialect) for dialect in ("plain", "extended", "strict", "canonical")),
]
WITHOUT_PLACE = {"document": {"updateDescription", "fullDocumentBeforeChange"}}
"""Fields of the generic envelope for which another one has no place."""

OF_THE_ID_ALONE = {"document", "debezium"}
"""Envelopes whose key is the `_id` without the fields of a shard key."""

SEQUENCE = 7
TOPICS = dict.fromkeys(("topic_insert", "topic_update", "topic_delete"), "{database}.{collection}")
EVENTS = {one["name"]: bytes.fromhex(one["event"]) for one in cases() if not one["limit"]}


def written(event: bytes, envelope: str, dialect: str) -> list[Message]:
    """Messages that the watcher writes of an event."""
    ours = encoder(envelope=envelope, json_format=dialect, kafka_headers=True, **TOPICS)
    return ours.messages_for(event, SEQUENCE, lambda _: 100_000_000)


def read(message: Message) -> dict[str, Any]:
    """Message that the decoder makes of it, in the plain dialect."""
    found = decode(message.key, message.value, message.headers, topic=message.topic, time_ms=message.timestamp_ms)
    return {name: plain(value) for name, value in found.items()}


def expected(event: bytes, envelope: str) -> dict[str, Any]:
    """The message in the generic envelope, without what the other one has no place for."""
    message = orjson.loads(encoder(json_format="extended").encode(event, SEQUENCE).value or b"")
    if envelope in OF_THE_ID_ALONE:
        message["documentKey"] = {"_id": message["documentKey"]["_id"]}
    return {name: plain(value) for name, value in message.items() if name not in WITHOUT_PLACE.get(envelope, ())}


@pytest.mark.parametrize(("envelope", "dialect"), FORMATS)
def test_every_kind_of_message(envelope: str, dialect: str) -> None:
    for name, event in EVENTS.items():
        first, *others = written(event, envelope, dialect)
        if first.operation in ROW_OPERATIONS:
            assert read(first) == expected(event, envelope), name
            followers = [read(other) for other in others]
            is_followed = envelope == "debezium" and first.operation == "delete"
            assert [(each["operationType"], each["sequence"]) for each in followers] == [(TOMBSTONE, SEQUENCE + 1)] * is_followed
            assert all(each["documentKey"] == read(first)["documentKey"] for each in followers), name


@pytest.mark.parametrize(("envelope", "dialect"), FORMATS)
@settings(max_examples=25)
@given(document=documents, before=documents)
def test_any_document(envelope: str, dialect: str, document: Any, before: Any) -> None:
    update = {"updatedFields": document, "removedFields": ["a.b"], "truncatedArrays": [{"field": "t", "newSize": 2}]}
    images = {"fullDocument": document, "fullDocumentBeforeChange": before}
    for operation, fields in {"insert": {"fullDocument": document}, "update": {**images, "updateDescription": update}}.items():
        event = bson.encode(change(operation, {"_id": document.get("_id", 1)}, **fields))
        (message,) = written(event, envelope, dialect)
        assert read(message) == expected(event, envelope)
