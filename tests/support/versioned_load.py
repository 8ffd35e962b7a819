"""A random load on documents that are there already, with transactions, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any

from bson import Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.binary import Binary
from bson.decimal128 import Decimal128
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.support.background import Background
from tests.support.load import BUSY_S

IDS: list[Any] = [
    MinKey(), None, -1, 0.5, 3, Int64(2**40), Decimal128("7.25"), "", "a", "ö", {}, {"a": 1}, {"a": "x"}, Binary(b"\1\2", 0),
    Binary(b"0123456789abcdef", 4), ObjectId(), False, True, datetime(2024, 1, 1), Timestamp(5, 5), float("inf"), MaxKey(),
]  # fmt: skip
"""Of all the types that an `_id` may have; some sort before all numbers, some after all texts."""
TOLD_APART = [each for each in IDS if each != float("inf")]
"""Those that a message's JSON tells apart: infinity is null there, as None is."""


class VersionedLoad(Background):
    """Fills collections, then updates, deletes and inserts their documents, some in transactions, until the `with` block is left.

    A document has a `name`, its own for good, and a `version` that rises with every write.
    """

    def __init__(
        self, db: Database[Any], ids: Sequence[Any], collections: Sequence[str], *, seed: int, pause_s: float = BUSY_S
    ) -> None:
        super().__init__(self._run, f"versioned-load-{seed}")
        # Only what a majority has can be in a change stream, and is never rolled back.
        self._db = db.with_options(write_concern=WriteConcern("majority"))
        self._ids = ids
        self._collections = collections
        self._random = Random(seed)
        self._pause_s = pause_s
        self.writes = 0
        self.failures = 0

    def fill(self) -> None:
        """Insert every document of every collection."""
        for collection in self._collections:
            self._db[collection].insert_many([self._document(collection, number) for number in range(len(self._ids))])

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._pause_s):
            try:
                self._transact() if self._random.random() < 0.15 else self._write()
            except PyMongoError:
                self.failures += 1

    def _transact(self) -> None:
        with self._db.client.start_session() as session, session.start_transaction(write_concern=WriteConcern("majority")):
            for _ in range(self._random.randint(2, 5)):
                self._write(session)

    def _write(self, session: ClientSession | None = None) -> None:
        collection, number = self._random.choice(self._collections), self._random.randrange(len(self._ids))
        db = self._db if session is None else self._db.client[self._db.name]
        key = {"_id": self._ids[number]}
        self.writes += 1
        if self._random.random() < 0.1:
            db[collection].delete_one(key, session=session)
        else:
            changed = {"name": self._name(collection, number), "version": self.writes}
            db[collection].update_one(key, {"$set": changed}, upsert=True, session=session)

    def _document(self, collection: str, number: int) -> dict[str, Any]:
        return {"_id": self._ids[number], "name": self._name(collection, number), "version": 0}

    def _name(self, collection: str, number: int) -> str:
        return f"{collection}/{number}"
