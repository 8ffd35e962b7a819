"""Documents as change events: what is written by hand is what bson would write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import bson
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from watcher.model import Snapshot
from watcher.snapshot.rows import namespace_of, row_events

SECONDS = 1_700_000_000
IDS = (1, Int64(1), 1.5, Decimal128("1"), "one", "", True, None, ObjectId(), b"1", Regex("1"), MinKey(), MaxKey(), {}, {"a": [1]})


def expected(document: dict[str, Any], snapshot: Snapshot, number: int) -> bytes:
    event = {
        "_id": {"_data": f"{snapshot.id}.{number}"},
        "operationType": snapshot.operation,
        "clusterTime": Timestamp(SECONDS, 3),
        "wallTime": datetime.fromtimestamp(SECONDS, UTC),
        "ns": {"db": "dashboard", "coll": "users"},
        "documentKey": {"_id": document["_id"]},
        "fullDocument": document,
        "snapshot": snapshot.id,
    }
    return bson.encode(event)


@pytest.mark.parametrize("operation", ["insert", "replace"])
@pytest.mark.parametrize("before", [0, 8, 9, 99, 99_999_990])
def test_an_event_has_what_bson_would_write(before: int, operation: Literal["insert", "replace"]) -> None:
    """Whatever type an `_id` has, and where the numbers get another digit."""
    snapshot = Snapshot("snapshot-20261126T184003Z-5f0c2a", operation, "initial", "2026-11-26T18:40:03Z", documents=before)
    documents = [{"_id": id_, "note": "ä" * length} for length, id_ in enumerate(IDS)] + [{"_id": 1}, {"_id": None}]
    namespace = namespace_of("dashboard", "users")

    events = row_events([bson.encode(each) for each in documents], snapshot, namespace, (SECONDS, 3))

    assert events == [expected(each, snapshot, number) for number, each in enumerate(documents, before + 1)]
    assert row_events([], snapshot, namespace, (SECONDS, 3)) == []
