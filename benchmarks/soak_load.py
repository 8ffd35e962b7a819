"""The load of a soak: small documents, some of 100 kB, and a few that are larger than a message may be."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.support.background import Background
from tests.support.oracle import Oracle

SMALL_BYTES, MEDIUM_BYTES = 200, 100_000
MEDIUM_SHARE = 0.02
LARGE_BYTES = (5_000_000, 10_000_000)
LARGE_COLLECTION, LARGE_PREFIX = "files", "large-"
LARGE_PAUSE_S = 8.0


class SizedOracle(Oracle):
    """An oracle whose writes carry a payload of one of two sizes."""

    def __init__(self, database: Database[dict[str, Any]], rng: Random) -> None:
        super().__init__(database)
        self._rng = rng

    def insert(self, collection: str, _id: Any, **fields: Any) -> None:
        super().insert(collection, _id, payload=self._payload(), **fields)

    def update(self, collection: str, _id: Any, **fields: Any) -> None:
        super().update(collection, _id, payload=self._payload(), **fields)

    def replace(self, collection: str, _id: Any, **fields: Any) -> None:
        super().replace(collection, _id, payload=self._payload(), **fields)

    def _payload(self) -> str:
        return "x" * (MEDIUM_BYTES if self._rng.random() < MEDIUM_SHARE else SMALL_BYTES)


class LargeDocuments(Background):
    """Now and then inserts a document too large for Kafka, changes it and deletes it, until the `with` block is left.

    Each is inserted once, so that its first message can be told from the others, though it lacks the document.
    """

    def __init__(self, oracle: Oracle, rng: Random) -> None:
        super().__init__(self._run, "large-documents")
        self.inserted = 0
        self._oracle = oracle
        self._rng = rng

    def _run(self, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(self._rng.uniform(0.5, 1.5) * LARGE_PAUSE_S):
            number += 1
            try:
                self._live(f"{LARGE_PREFIX}{number}")
            except PyMongoError:  # its fate is unknown: it's left alone
                continue

    def _live(self, identity: str) -> None:
        self._oracle.insert(LARGE_COLLECTION, identity, bulk="x" * self._rng.randint(*LARGE_BYTES))
        self.inserted += 1
        self._oracle.update(LARGE_COLLECTION, identity)
        self._oracle.delete(LARGE_COLLECTION, identity)
