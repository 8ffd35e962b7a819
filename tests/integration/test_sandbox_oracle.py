"""The oracle and its load on a real MongoDB, with messages made straight from a change stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.records import Record
from tests.support.waiting import eventually


def test_a_faithful_record_of_the_load_passes_and_a_shortened_one_does_not(db: Database[dict[str, Any]]) -> None:
    oracle = Oracle(db)
    with db.watch() as stream:
        with Load(oracle, documents=5, pause_s=BUSY_S):
            eventually(lambda: oracle.certain_writes >= 200)
        records = [_record(number, stream.next()) for number in range(1, oracle.certain_writes + 1)]

    oracle.check(records)
    with pytest.raises(AssertionError):
        oracle.check(records[:-1])


def _record(number: int, event: dict[str, Any]) -> Record:
    message = {
        "operationType": event["operationType"],
        "collection": event["ns"]["coll"],
        "documentKey": event["documentKey"],
        "fullDocument": event.get("fullDocument"),
        "updateDescription": {"updatedFields": event.get("updateDescription", {}).get("updatedFields")},
        "eventId": event["_id"]["_data"],
        "sequence": number,
    }
    return Record("database.changes", 0, number, None, json.dumps(message).encode(), 0)
