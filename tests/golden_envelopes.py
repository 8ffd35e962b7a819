"""The golden files of the envelopes beside the generic one. `python -m tests.golden_envelopes` writes them anew.

Each line is one event, as BSON in hexadecimal, and the messages that come of it: topic, key, value, time, operation and headers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
from bson import Binary, Int64
from bson.timestamp import Timestamp

from tests.golden_messages import BOTH, IDS, SEQUENCE, SNAPSHOT, UPDATE, of_type, text
from tests.unit.bson_types import TYPES
from tests.unit.change_events import NOON_MS, USER_ID, change, encoder, recorded
from watcher.operations import ROW_OPERATIONS

ENVELOPES = {"document": "plain", "debezium": "strict", "mongodb": "strict"}
"""The envelopes with their default dialects."""

DATA = Path(__file__).parent / "data"
ROOM = 1_000_000
CONTROL_TOPIC = "database.control"

Case = dict[str, Any]


def file_of(envelope: str) -> Path:
    """Return the envelope's golden file."""
    return DATA / f"golden_{envelope}.jsonl"


def cases() -> Iterator[Case]:
    """Each case without what comes of it."""
    for name in ROW_OPERATIONS:
        yield case(f"recorded {name}", recorded()[name])
    yield case("recorded drop", recorded()["drop"])
    for sample in TYPES:
        yield case(sample.name, of_type(sample.document))
    for number, id_ in enumerate(IDS):
        yield case(f"_id {number}", bson.encode(change("delete", {"_id": id_})))
    lookup = bson.encode(change("update", fullDocument=None, updateDescription=UPDATE))
    yield case("an update whose document was gone", lookup)
    yield case("an update", bson.encode(change("update", **BOTH, updateDescription=UPDATE)))
    yield case("an update that removes nothing", bson.encode(change("update", **BOTH, updateDescription=NOTHING_REMOVED)))
    yield case("a replace", bson.encode(change("replace", **BOTH)))
    yield case("a delete with its pre-image", bson.encode(change("delete", fullDocumentBeforeChange=BOTH["fullDocument"])))
    yield case("in a transaction", bson.encode(change("insert", fullDocument={"_id": USER_ID}, **TRANSACTION)))
    yield case("shard key", bson.encode(change("delete", {"region": "eu", "_id": USER_ID})))
    for operation in ("insert", "replace"):
        row = change(operation, _id={"_data": f"{SNAPSHOT}.17"}, fullDocument={"_id": USER_ID}, snapshot=SNAPSHOT)
        yield case(f"snapshot, {operation}", bson.encode({**row, "clusterTime": Timestamp(NOON_MS // 1000, 3)}))
    for operation in ("update", "delete"):
        yield case(f"{operation}, too large with its pre-image", bson.encode(change(operation, **BOTH)), limit=850)
    yield case("too large", bson.encode(change("insert", fullDocument=BOTH["fullDocument"])), limit=300)
    yield case("too large for MongoDB", bson.encode(change("update", updateDescription=UPDATE)), missing=["fullDocument"])


NOTHING_REMOVED = {"updatedFields": {"n": 1}, "removedFields": [], "truncatedArrays": []}
TRANSACTION = {"lsid": {"id": Binary(bytes(range(16)), 4), "uid": b"\0\1"}, "txnNumber": Int64(5)}


def case(name: str, event: bytes, *, limit: int = ROOM, missing: Any = ()) -> Case:
    """`limit`: a message of a row change is too large with more bytes than that."""
    return {"name": name, "event": event.hex(), "limit": limit, "missing": list(missing)}


def made(envelope: str, one: Case, *, native: bool) -> list[list[Any]]:
    """Make the messages of a case."""
    messages = encoder(native=native, envelope=envelope, json_format=ENVELOPES[envelope])

    def limit_of(topic: str) -> int:
        return ROOM if topic == CONTROL_TOPIC else int(one["limit"])

    return [
        [
            message.topic,
            text(message.key),
            text(message.value),
            message.timestamp_ms,
            message.operation,
            {name: text(value) for name, value in message.headers or ()},
        ]
        for message in messages.messages_for(bytes.fromhex(one["event"]), SEQUENCE, limit_of, one["missing"])
    ]


def main() -> None:
    """Write the files."""
    for envelope in ENVELOPES:
        lines = [{**one, "messages": made(envelope, one, native=False)} for one in cases()]
        file_of(envelope).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
