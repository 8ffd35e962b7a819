"""The fixture of tests with `excluding_streams.py`; such a module names this one in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.excluding_streams import OpenStreams, Streams
from watcher.config import Settings
from watcher.mongodb.change_stream import ChangeStream
from watcher.sandbox.mongod import ReplicaSet

Document = dict[str, Any]


@pytest.fixture
def open_streams(mongo: ReplicaSet, database: str, db: Database[Document]) -> Iterator[OpenStreams]:
    """Opens both streams at the present: `open_streams("users.ssn", …)`, with settings by keyword."""
    with ExitStack() as stack:

        def open_at(exclude_fields: list[str], changes: Document) -> ChangeStream:
            settings = {
                "name": "dashboard",
                "mongodb_uri": mongo.uri(database),
                "kafka_brokers": "localhost:9092",
                "kafka_client_id": "dashboard-watcher",
                "exclude_fields": exclude_fields,
            }
            stream = stack.enter_context(closing(ChangeStream(Settings(**(settings | changes)))))
            stream.open(None)
            return stream

        yield lambda *fields, **changes: Streams(open_at([], changes), open_at([*fields], changes), db)
