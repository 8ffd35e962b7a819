"""The tests' own transactions are repeated where MongoDB asks for it."""

from __future__ import annotations

import pytest

from tests.support.mongodb_faults import failing
from tests.support.mongodb_transactions import in_transaction
from watcher.sandbox.mongod import ReplicaSet

pytest_plugins = ["tests.support.mongodb_fixtures"]

WRITE_CONFLICT = 112
NAME = "transacting"


@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
def test_a_transaction_that_is_to_be_repeated(command: str, failing_mongo: ReplicaSet, database: str) -> None:
    with failing_mongo.client(appname=NAME) as client, failing_mongo.client() as other:
        items = client[database].items
        again = {"errorCode": WRITE_CONFLICT, "errorLabels": ["TransientTransactionError"]}
        with failing(other, command, app=NAME, times=1, **again) as point:
            in_transaction(
                client, *(lambda session, number=number: items.insert_one({"_id": number}, session=session) for number in range(3))
            )
        assert point.strikes == 1
        assert [each["_id"] for each in items.find().sort("_id")] == [0, 1, 2]
