"""The demo's application: a steady load of inserts, updates, replaces and deletes on two databases."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, TypeAlias

from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import ConnectionFailure

from watcher.sandbox.documents import COLLECTIONS, Collection

DEFAULT_WRITES_PER_SECOND = 20.0
SECONDS_BETWEEN_TRIES = 0.5
# Share of each operation, in percent. A collection at its limit gets deletes only.
OPERATIONS = {"insert": 45, "update": 35, "replace": 8, "delete": 12}

Target: TypeAlias = MongoCollection[dict[str, Any]]


class Traffic:
    """Writes at a steady rate: in a thread for as long as a `with` block, or in the caller's thread with `run`.

    Its choices depend on `seed` alone. `written` counts the acknowledged writes, as in `written["dashboard"]["insert"]`.
    """

    def __init__(
        self,
        uri: str,
        *,
        writes_per_second: float = DEFAULT_WRITES_PER_SECOND,
        seed: int = 1,
        collections: Sequence[Collection] = COLLECTIONS,
    ) -> None:
        self.uri = uri
        self.writes_per_second = writes_per_second
        self.collections = collections
        self.written: dict[str, Counter[str]] = {collection.database: Counter() for collection in collections}
        self._random = Random(seed)  # noqa: S311 - the same demo every time, nothing secret
        self._ids: dict[Collection, list[Any]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="sandbox-traffic", args=(self._stop,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def run(self, stop: threading.Event) -> None:
        """Write until `stop` is set. While MongoDB is away, wait for it."""
        with MongoClient[dict[str, Any]](self.uri, serverSelectionTimeoutMS=2000) as client:
            due = time.monotonic()
            while not stop.is_set():
                try:
                    self.write(client)
                except ConnectionFailure:
                    stop.wait(SECONDS_BETWEEN_TRIES)
                # It catches up on at most one second, so that no flood of writes follows an outage.
                due = max(due + 1 / self.writes_per_second, time.monotonic() - 1)
                stop.wait(max(0.0, due - time.monotonic()))

    def fill(self, documents: int) -> int:
        """Insert so many documents into each collection, before the first write; returns their number."""
        with MongoClient[dict[str, Any]](self.uri) as client:
            for each in self.collections:
                client[each.database][each.name].insert_many([each.make(self._random) for _ in range(documents)])
        return documents * len(self.collections)

    def write(self, client: MongoClient[dict[str, Any]]) -> None:
        """Make one write to one collection."""
        collection = self._random.choices(self.collections, [each.weight for each in self.collections])[0]
        target = client[collection.database][collection.name]
        ids = self._ids_of(collection, target)
        operation = self._operation(len(ids), collection.limit)
        self.written[collection.database][operation] += self._do(operation, target, collection, ids)

    def _ids_of(self, collection: Collection, target: Target) -> list[Any]:
        """Return the ids of the documents that exist, including those of an earlier run. Otherwise the collection would grow with
        every run.
        """
        if collection not in self._ids:
            self._ids[collection] = [document["_id"] for document in target.find({}, {"_id": 1})]
        return self._ids[collection]

    def _operation(self, size: int, limit: int) -> str:
        if size == 0:
            return "insert"
        if size >= limit:
            return "delete"
        return self._random.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]

    def _do(self, operation: str, target: Target, collection: Collection, ids: list[Any]) -> int:
        """Carry out one operation. Return the number of documents it changed, 0 or 1."""
        if operation == "insert":
            ids.append(target.insert_one(collection.make(self._random)).inserted_id)
            return 1
        if operation == "delete":
            return target.delete_one({"_id": ids.pop(self._random.randrange(len(ids)))}).deleted_count
        chosen = {"_id": self._random.choice(ids)}
        if operation == "update":
            change = {"$set": collection.change(self._random), "$currentDate": {"updatedAt": True}}
            return target.update_one(chosen, change).modified_count
        return target.replace_one(chosen, collection.make(self._random)).modified_count
