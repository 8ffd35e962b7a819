"""Row 31: values that JSON, Python or Kafka have no room for.

Goal: each arrives as the type table of docs/message-format.md says, those after it arrive too, and the worker never crashes on
one: also when it stands in an `_id`, and so in the position from which a killed worker's successor goes on.
Method: such values as documents and as ids, written as raw BSON where a driver would refuse them; the worker is killed after each
id.
"""

from __future__ import annotations

from typing import Any

import bson
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.worker import Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]


def nested(depth: int) -> Document:
    document: Document = {}
    for _ in range(depth):
        document = {"a": document}
    return document


def patched(document: Document, good: bytes, bad: bytes) -> RawBSONDocument:
    """Make what no driver would write: `document` with some of its bytes exchanged."""
    raw = bson.encode(document)
    assert raw.count(good) == 1
    return RawBSONDocument(raw.replace(good, bad))


MANY = {f"f{number}": number for number in range(10_000)}
ODD_NAMES = {"v": {"$ref": 1, "$date": "x", "": {"a.b": None}}}

POISON: dict[str, tuple[Any, Any]] = {
    "invalid UTF-8": (patched({"v": "Zo##"}, b"Zo##", b"Zo\xff\xfe"), {"v": "Zo\ufffd\ufffd"}),
    "invalid UTF-8 in a name": (patched({"n##": 1}, b"n##", b"n\xff\xfe"), {"n\ufffd\ufffd": 1}),
    "lone surrogate": (patched({"v": "###"}, b"###", b"\xed\xa0\x80"), {"v": "\ufffd\ufffd\ufffd"}),
    "NUL": ({"v": "a\0b"}, {"v": "a\0b"}),
    "duplicate names": (patched({"v": 1, "w": 2}, b"\x10w\0", b"\x10v\0"), {"v": 2}),
    "NaN": ({"v": [float("nan"), float("inf"), -float("inf"), -0.0]}, {"v": [None, None, None, -0.0]}),
    "far dates": (
        {"v": [DatetimeMS(-(2**63)), DatetimeMS(2**63 - 1), DatetimeMS(253402300800000), DatetimeMS(-62167219200001)]},
        {"v": [None, None, "+010000-01-01T00:00:00.000Z", "-000001-12-31T23:59:59.999Z"]},
    ),
    "Decimal128": (
        {"v": [Decimal128("NaN"), Decimal128("-Infinity"), Decimal128("9.999999999999999999999999999999999E+6144")]},
        {"v": ["NaN", "-Infinity", "9.999999999999999999999999999999999E+6144"]},
    ),
    "large integers": ({"v": [Int64(2**63 - 1), Int64(-(2**63))]}, {"v": [2**63 - 1, -(2**63)]}),
    "binary": ({"v": [Binary(b"abc", 4), Binary(b"", 128)]}, {"v": ["YWJj", ""]}),
    "other types": (
        {"v": [MinKey(), MaxKey(), Timestamp(1, 2), Regex("[", "i")]},
        {
            "v": [
                {"$minKey": 1},
                {"$maxKey": 1},
                {"$timestamp": {"t": 1, "i": 2}},
                {"$regularExpression": {"pattern": "[", "options": "i"}},
            ]
        },
    ),
    "100 levels": (nested(100), nested(100)),
    "10,000 fields": (MANY, MANY),
    "odd names": (ODD_NAMES, ODD_NAMES),
}

IDS: dict[str, tuple[Any, Any]] = {
    "int64": (Int64(7), 7),
    "negative zero": (-0.0, -0.0),
    "NaN": (float("nan"), None),
    "Decimal128": (Decimal128("1.10"), "1.10"),
    "document": ({"b": Int64(1), "a": {"c": []}}, {"b": 1, "a": {"c": []}}),
    "far date": (DatetimeMS(2**62), None),
    "MinKey": (MinKey(), {"$minKey": 1}),
}


def test_in_documents(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport) -> None:
    worker = launch(settings)
    worker.reached()
    for name, (value, _) in POISON.items():
        raw = value.raw if isinstance(value, RawBSONDocument) else bson.encode(value)
        db.poison.insert_one(RawBSONDocument(with_id(raw, name)))
        db.poison.update_one({"_id": name}, {"$set": {"again": 1}})
        db.poison.delete_one({"_id": name})
    messages = inbox.messages(3 * len(POISON))
    assert [message["documentKey"]["_id"] for message in messages] == [name for name in POISON for _ in range(3)]
    found = {message["documentKey"]["_id"]: message["fullDocument"] for message in messages[::3]}
    assert found == {name: {"_id": name, **expected} for name, (_, expected) in POISON.items()}
    assert worker.stop() == 0
    assert not worker.logged("warning")
    fault_report.count(faults=len(POISON), writes=3 * len(POISON), messages=len(messages))


def with_id(raw: bytes, _id: str) -> bytes:
    """The same document, with an `_id` before its other fields."""
    body = bson.encode({"_id": _id})[4:-1] + raw[4:]
    return (len(body) + 4).to_bytes(4, "little") + body


def test_in_ids_and_so_in_positions(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    worker = launch(settings)
    worker.reached()
    for count, (_id, _) in enumerate(IDS.values(), start=1):
        db.poison.insert_one({"_id": _id})
        inbox.messages(count)
        worker.kill()
        worker.start()
    db.poison.insert_one({"_id": ObjectId("65f0c1a2b3c4d5e6f7a8b9c0")})
    messages = inbox.messages(len(IDS) + 1)
    expected = [*(written for _, written in IDS.values()), "65f0c1a2b3c4d5e6f7a8b9c0"]
    assert [message["documentKey"]["_id"] for message in messages] == expected
    assert [message["sequence"] for message in messages] == [*range(1, len(expected) + 1)]
    fault_report.count(faults=len(IDS), writes=len(expected), messages=len(messages))


def test_one_that_is_too_deep_to_be_written(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], fault_report: FaultReport
) -> None:
    """MongoDB itself refuses what would be too deep for a message: its limit for what is stored is 180 levels."""
    launch(settings).reached()
    db.poison.insert_one({"_id": 1, "v": nested(175)})
    db.poison.update_one({"_id": 1}, {"$set": {"w": nested(175)}})
    messages = inbox.messages(2)
    assert messages[0]["fullDocument"]["v"] == nested(175)
    fault_report.count(faults=1, writes=2, messages=2)
