"""The golden file of a watcher of several databases. `python -m tests.golden_shared_scope` writes it anew; `git diff` shows what
has changed. Of one database, tests/golden_messages.py has more.

Each line has a name and what the watcher writes: topic, key, value, time and operation of a message, or the text of its position.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson

from tests.golden_messages import BOTH, NOON_MS, ROOM, SEQUENCE, SNAPSHOT, text
from tests.support.plain_settings import settings
from tests.unit.change_events import EVENT_ID, change
from watcher.kafka.position import dump, dump_snapshot
from watcher.messages.encoder import Encoder, MessageFormat
from watcher.model import Message, Owner, Position, Snapshot
from watcher.snapshot import plan

FILE = Path(__file__).parent / "data" / "golden_shared_scope.jsonl"
SETTINGS = settings(
    mongodb_uri="mongodb://localhost:27017/", watch_databases=["tenant_*"], kafka_db_changes_topic="t.{database}.{collection}"
)
SCOPE = SETTINGS.scope
DATABASES = ("tenant_1", "tenant_é{2}", "tenant_" + "x" * 56)
"""The second is a name that Kafka dislikes; the third is as long as MongoDB allows."""


def lines(*, native: bool) -> Iterator[dict[str, Any]]:
    """Each line of the file; `native` allows the use of C."""
    encoder = Encoder(MessageFormat.of(SETTINGS), native=native)
    for name, event in events():
        yield {"name": name, "messages": [told(encoder.encode(bson.encode(event), SEQUENCE))]}
    large = bson.encode({**change("insert", **BOTH), "ns": {"db": "tenant_1", "coll": "users"}})
    yield {"name": "too large", "messages": [*map(told, encoder.messages_for(large, SEQUENCE, room))]}
    whole = Snapshot(SNAPSHOT, operation="insert", reason="initial", started_at="2024-01-01T12:00:00.000Z")
    chosen = replace(whole, collections=("tenant_*.users", "orders"), filters={"users": "{}", "tenant_2.orders": "{}"})
    for name, snapshot in {"of all": whole, "of a choice": chosen}.items():
        yield {"name": f"snapshot {name}", "messages": [*course(encoder, snapshot)]}
    gap = {"reason": "position lost", "to": "2024-01-01T12:00:00Z"}
    yield {"name": "gap", "messages": [told(encoder.control("gap", timestamp_ms=NOON_MS, sequence=SEQUENCE, **gap))]}
    running = replace(chosen, started_sequence=7, reached="tenant_1.users", collection="tenant_1.users", again=("tenant_1.a.b",))
    position = Position(SCOPE.name, Owner("9f3c", "host-1", 4711), {"_data": EVENT_ID}, SEQUENCE, snapshot=running)
    yield {"name": "position", "text": dump(position).decode(), "snapshot": dump_snapshot(running).decode()}


def events() -> Iterator[tuple[str, dict[str, Any]]]:
    """Change events of several databases, each with a name."""
    for database in DATABASES:
        namespace = {"db": database, "coll": "größe.b"}
        yield f"insert, {database}", change("insert", ns=namespace, fullDocument={"_id": 1})
        yield f"drop, {database}", of_collection("drop", ns=namespace)
        yield f"dropDatabase, {database}", of_collection("dropDatabase", ns={"db": database})
    to = {"db": "tenant_2", "coll": "users"}
    yield "rename", of_collection("rename", ns={"db": "tenant_2", "coll": "tmpAb3dE.renameCollection"}, to=to)
    yield "invalidate", {name: value for name, value in of_collection("invalidate").items() if name != "ns"}


def of_collection(operation: str, **fields: Any) -> dict[str, Any]:
    """An event that is about no document."""
    return {name: value for name, value in change(operation, **fields).items() if name != "documentKey"}


def course(encoder: Encoder, snapshot: Snapshot) -> Iterator[list[Any]]:
    """The messages of a snapshot that copies the same collection of two databases."""
    snapshot, notice = plan.announced(snapshot, 7)
    notices = [notice]
    for name in ("tenant_1.users", "tenant_2.orders"):
        snapshot, notice = plan.collection_completed(replace(snapshot, collection=name, in_collection=3), SCOPE)
        notices.append(notice)
    notices.append(plan.ended(snapshot, "completed")[1])
    return (told(encoder.control(each.operation, timestamp_ms=NOON_MS, sequence=SEQUENCE, **each.fields)) for each in notices)


def room(topic: str) -> int:
    """Room for what is on the control topic, and for nothing else."""
    return ROOM if topic == SETTINGS.kafka_topic_control else 10


def told(message: Message) -> list[Any]:
    """Topic, key, value, time and operation."""
    return [message.topic, text(message.key), text(message.value), message.timestamp_ms, message.operation]


def main() -> None:
    """Write the file."""
    FILE.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines(native=False)))


if __name__ == "__main__":
    main()
