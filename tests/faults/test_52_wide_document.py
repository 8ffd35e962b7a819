"""Row 52: a document is wide or hostile.

Goal: what a document costs is in proportion to its size, whatever its fields are called; no other thread of the worker waits longer
than 50 ms for its turn meanwhile; and the messages are right.
Method: documents of 1,000 to 100,000 fields, with names that fall into one place of a simple hash table, names that come twice,
and deeply nested: encoded with and without the part in C and in both dialects beside a thread that notes when it has its turn, and
delivered by a worker.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.lock_watch import LockWatch
from tests.support.wide_documents import array, colliding, field, flat, insert, nested
from tests.support.worker import Inbox, Launch
from tests.unit.bson_types import raw_document
from tests.unit.change_events import encoder

pytest_plugins = ["tests.support.worker_fixtures"]
pytestmark = pytest.mark.alone

LONGEST_HOLD_S = 0.05
LINEAR = 6
"""A field of one document may cost so many times as much as one of another; memory that does not fit into caches is 3."""

ROUNDS = 20
"""Measurements at most. Other programs in the same caches make some of them dear; a cost that is not linear makes all of them."""

NULL, INT32 = b"\x0a%b\0", b"\x10%b\0\1\0\0\0"
WAYS = pytest.mark.parametrize(
    ("native", "json_format"), [(True, "plain"), (False, "plain"), (False, "extended")], ids=["C", "Python", "extended"]
)


def numbered(count: int) -> list[bytes]:
    return [b"f%05d" % number for number in range(count)]


def in_array(document: bytes, count: int) -> bytes:
    return raw_document(field(4, b"a", array([b"\x03" + document] * count)))


def hostile() -> dict[str, bytes]:
    return {
        "100,000 fields": flat(numbered(100_000), INT32),
        "100,000 fields, one name twice": flat([*numbered(100_000), b"f00000"], INT32),
        "2,500 times 1,024 names of one hash": in_array(flat(colliding(1_024)), 2_500),
        "100,000 fields, 90 levels down": nested(flat(numbered(100_000)), 90),
    }


def seconds(call: Callable[[], object]) -> float:
    """The processor time of the quickest of a few calls."""
    times = []
    for _ in range(5):
        begin = time.thread_time()
        call()
        times.append(time.thread_time() - begin)
    return min(times)


@WAYS
def test_linear_time(native: bool, json_format: str, fault_report: FaultReport) -> None:
    encode = encoder(native=native, json_format=json_format).encode
    documents = {f"{count:,}": (flat(numbered(count)), count) for count in (1_000, 10_000, 100_000)}
    documents["of one hash"] = flat(colliding(1_024)), 1_024
    documents["twice"] = flat([*numbered(1_024), b"f00000"]), 1_024
    documents["of one hash, one twice"] = flat([*colliding(1_024), colliding(1_024)[-1]]), 1_024
    events = {name: (insert(document), count) for name, (document, count) in documents.items()}
    costs = dict.fromkeys(events, math.inf)
    for _ in range(ROUNDS):
        for name, (event, count) in events.items():
            costs[name] = min(costs[name], seconds(functools.partial(encode, event, 1)) / count)
        if max(costs.values()) < LINEAR * min(costs.values()):
            break
    else:
        pytest.fail(f"not linear: {costs}")
    fault_report.count(faults=len(documents))


@WAYS
def test_other_threads_have_their_turn(native: bool, json_format: str, fault_report: FaultReport) -> None:
    encode = encoder(native=native, json_format=json_format).encode
    longest = {}
    for name, document in hostile().items():
        event = insert(document)
        longest[name] = LockWatch.best_of(5, functools.partial(encode, event, 1), LONGEST_HOLD_S)
    assert max(longest.values()) < LONGEST_HOLD_S, longest
    fault_report.count(faults=len(longest))
    fault_report.remark(f"{'C' if native else json_format}: the lock held {1000 * max(longest.values()):.0f} ms at most")


def test_delivered(launch: Launch, settings: dict[str, Any], inbox: Inbox, db: Database[Any], fault_report: FaultReport) -> None:
    worker = launch({**settings, "kafka": {"message.max.bytes": 1_000_000}})
    worker.reached()
    expected = {}
    for number, document in enumerate(
        [flat(numbered(1_000)), flat(numbered(40_000)), flat(colliding(1_024)), in_array(flat(colliding(1_024)), 50)]
    ):
        data = raw_document(bson.encode({"_id": number})[4:-1] + document[4:-1])
        db.wide.insert_one(RawBSONDocument(data))
        expected[number] = bson.decode(data)
    messages = inbox.messages(len(expected))
    assert {message["documentKey"]["_id"]: message["fullDocument"] for message in messages} == expected
    fault_report.measure(worker.pid)
    assert worker.stop() == 0
    fault_report.count(faults=len(expected), writes=len(expected), messages=len(messages))
