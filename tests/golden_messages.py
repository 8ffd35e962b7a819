"""The golden file of every kind of message. `python -m tests.golden_messages` writes it anew; `git diff` shows what has changed.

Each line is one message, or several of one event: how the encoder was set, the event as BSON in hexadecimal, and what comes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
from bson import Decimal128, Int64

from tests.unit.bson_types import TYPES
from tests.unit.change_events import NOON_MS, USER_ID, change, encoder, recorded
from watcher.config.mongodb.scope import Scope
from watcher.model import Notice, Snapshot
from watcher.snapshot import plan

FILE = Path(__file__).parent / "data" / "golden_messages.jsonl"
DIALECTS = ("plain", "extended")
SEQUENCE = 1042
SNAPSHOT = "20240101T120000Z"
KEY_BYTES = len(f'"{USER_ID}"')
ROOM = 1_000_000
"""More bytes than any message has."""

TEMPLATES = {f"topic_{name}": "t.{database}.{collection}.{operation}" for name in ("insert", "update", "delete")}
IDS = (USER_ID, "a text", 7, Int64(7), 7.0, Decimal128("7.00"), True, None, {"a": 1, "b": "x"}, b"bytes")

Case = dict[str, Any]


def cases() -> Iterator[Case]:
    """Each case without what comes of it."""
    for dialect in DIALECTS:
        for name, event in recorded().items():
            yield case(f"recorded {name}", event, json_format=dialect)
        for sample in TYPES:
            yield case(sample.name, of_type(sample.document), json_format=dialect)
        for number, document_key in enumerate(IDS):
            yield case(f"_id {number}", bson.encode(change("delete", {"_id": document_key})), json_format=dialect)
        yield case(
            "no fullDocument", bson.encode(change("update", fullDocument=None, updateDescription=UPDATE)), json_format=dialect
        )
        yield case("pre-image", bson.encode(change("replace", **BOTH)), json_format=dialect)
        yield case("shard key", bson.encode(change("delete", {"region": "eu", "_id": USER_ID})), json_format=dialect)
        for operation in ("insert", "replace"):
            yield case(f"snapshot, {operation}", snapshot_event(operation), json_format=dialect)
        yield case("snapshot, 300 bytes at most", snapshot_event("insert"), json_format=dialect, limit=300)
        for name, fields in {"whole": {}, "an update": {"updateDescription": UPDATE}}.items():
            event = bson.encode(change("update", **BOTH, **fields))
            for limit in (10_000, 500, 300, 10):
                yield case(f"{name}, {limit} bytes at most", event, json_format=dialect, limit=limit)
            yield case(f"{name}, left out by MongoDB", event, json_format=dialect, limit=10_000, missing=["fullDocument"])
    yield case("topics by template", recorded()["insert"], **TEMPLATES)


UPDATE = {
    "updatedFields": {"a.b": 1, "name": "Ada", "tags.0": "x"},
    "removedFields": ["old"],
    "truncatedArrays": [{"field": "tags", "newSize": 3}],
}
BOTH = {"fullDocument": {"_id": USER_ID, "text": "x" * 200}, "fullDocumentBeforeChange": {"_id": USER_ID, "text": "y" * 200}}


def case(name: str, event: bytes, *, limit: int = 0, missing: Any = (), **settings: Any) -> Case:
    """`limit`: the value of a row change is too large for Kafka with more bytes than that."""
    return {"name": name, "settings": settings, "event": event.hex(), "limit": limit, "missing": list(missing)}


def snapshot_event(operation: str) -> bytes:
    """The event that a document of a snapshot comes as."""
    document = {"_id": USER_ID, "text": "x" * 200}
    event = change(operation, _id={"_data": f"{SNAPSHOT}.17"}, fullDocument=document, snapshot=SNAPSHOT)
    del event["clusterTime"]
    return bson.encode(event)


def of_type(document: bytes) -> bytes:
    """An insert whose document is `document`, whatever it holds, as raw BSON."""
    head = bson.encode(change("insert"))
    element = b"\x03fullDocument\0" + document
    return (len(head) + len(element)).to_bytes(4, "little") + head[4:-1] + element + b"\0"


def made(one: Case, *, native: bool) -> list[list[Any]]:
    """Return what comes of a case: topic, key, value and time of each message."""
    messages = encoder(native=native, **one["settings"])
    event = bytes.fromhex(one["event"])
    if one["limit"]:
        room = {"database.control": ROOM, "database.insert": one["limit"] + KEY_BYTES, "database.update": one["limit"] + KEY_BYTES}
        made = messages.reduced(event, SEQUENCE, room.__getitem__, one["missing"], 999)
    else:
        made = [messages.encode(event, SEQUENCE)]
    return [[message.topic, text(message.key), text(message.value), message.timestamp_ms, message.operation] for message in made]


def notices() -> list[list[Any]]:
    """The watcher's own messages about its position."""
    told = {
        "gap": {"reason": "position lost", "from": "2024-01-01T11:00:00Z", "lastEventId": "8265", "to": "2024-01-01T12:00:00Z"},
        "rewind": {"reason": "by hand", "to": "2024-01-01T12:00:00Z"},
    }
    return [control(name, fields) for name, fields in told.items()]


def snapshot_notices() -> list[list[Any]]:
    """The watcher's own messages about snapshots: of all there is, and of a choice."""
    whole = Snapshot(SNAPSHOT, operation="insert", reason="initial", started_at="2024-01-01T12:00:00.000Z")
    chosen = replace(whole, operation="replace", reason="position lost", collections=("users", "o*"), filters={"users": "{}"})
    told = [*course(whole), *course(chosen)]
    return [control(notice.operation, notice.fields) for notice in told]


def course(snapshot: Snapshot) -> list[Notice]:
    """The messages of a snapshot that copies one collection."""
    snapshot, started = plan.announced(snapshot, 7)
    snapshot, collection_completed = plan.collection_completed(
        replace(snapshot, collection="users", in_collection=3, documents=3), Scope("dashboard")
    )
    _, completed = plan.ended(snapshot, "completed")
    _, aborted = plan.ended(snapshot, "aborted", "changes are missing")
    return [started, collection_completed, completed, aborted]


def control(operation: str, fields: Mapping[str, Any]) -> list[Any]:
    """Topic, key, value, time and operation of a message of the watcher's own."""
    message = encoder().control(operation, timestamp_ms=NOON_MS, sequence=SEQUENCE, **fields)
    return [message.topic, text(message.key), text(message.value), message.timestamp_ms, message.operation]


def text(raw: bytes | None) -> str | None:
    """Messages are UTF-8."""
    return None if raw is None else raw.decode()


def main() -> None:
    """Write the file."""
    lines = [{**one, "messages": made(one, native=False)} for one in cases()]
    lines.append({"name": "notices", "messages": notices()})
    lines.append({"name": "notices of snapshots", "messages": snapshot_notices()})
    FILE.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


if __name__ == "__main__":
    main()
