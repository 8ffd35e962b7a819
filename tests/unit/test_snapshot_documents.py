"""Documents for a snapshot, from an imitation of MongoDB that gives up a search which takes too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import bson
import pytest
from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from tests.support.plain_settings import settings
from watcher.snapshot.documents import StreamDocuments
from watcher.snapshot.ports import Unreadable

TIME = Timestamp(100, 1)
COUNT, LOOKED_AT = 1_000_000, 60_000
"""Documents of the collection, and those that MongoDB looks at before it gives up."""

OLDEST_WANTED = COUNT - 50


class MongoDB:
    """The collection `orders`, whose `_id`s are numbers that rise with the time `at`. Only the newest documents match the query."""

    operation_time = TIME

    def __init__(self) -> None:
        self.given_up = 0
        self.asked: list[str] = []

    def command(self, _: str, command: Mapping[str, Any]) -> RawBSONDocument:
        self.asked.append(next(iter(command)))
        listed = {"name": "orders", "type": "collection", "options": {}, "info": {}}
        batch = [*self._found(command)] if "find" in command else [listed]
        cursor = {"id": Int64(0), "ns": "shop.orders", "firstBatch": batch}
        return RawBSONDocument(bson.encode({"cursor": cursor, "operationTime": TIME}))

    def _found(self, command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        conditions = command["filter"].get("$and", [command["filter"]])
        limits = {key: bson.decode(of[1].raw)["$literal"] for each in conditions for key, of in each.get("$expr", {}).items()}
        oldest = max((each["at"]["$gte"] for each in conditions if "at" in each), default=0)
        last = min(limits.get("$lte", COUNT), COUNT)
        left, to_skip = command["limit"], command.get("skip", 0)
        for looked_at, number in enumerate(range(limits.get("$gt", 0) + 1, last + 1)):
            if looked_at == LOOKED_AT:
                self.given_up += 1
                raise OperationFailure("operation exceeded time limit", 50, {"codeName": "MaxTimeMSExpired"})
            if number >= oldest and (to_skip := to_skip - 1) < 0:
                yield {"_id": number}
                if (left := left - 1) == 0:
                    return


def copied(documents: StreamDocuments, query: str) -> list[int]:
    """Read the collection as a snapshot does, with a query; returns the `_id`s."""
    ids, last = list[int](), b""
    for _ in range(200):
        try:
            read = documents.read("orders", last, (TIME.time, TIME.inc), 4000, query)
        except Unreadable:
            continue
        ids += [bson.decode(each)["_id"] for each in read.documents]
        if read.complete:
            return ids
        last = read.last
    raise AssertionError(f"the snapshot does not get on: {len(ids)} documents")


@pytest.mark.parametrize("oldest", [OLDEST_WANTED, COUNT + 1])
def test_a_query_whose_documents_are_behind_very_many_others(oldest: int) -> None:
    mongodb = MongoDB()
    documents = StreamDocuments(mongodb, settings())  # type: ignore[arg-type]  # only what reading needs
    assert copied(documents, f'{{"at": {{"$gte": {oldest}}}}}') == [*range(oldest, COUNT + 1)]
    assert mongodb.given_up == 1


def test_a_chunk_is_one_question() -> None:
    """The kind of the collection was known before the first one."""
    mongodb = MongoDB()
    documents = StreamDocuments(mongodb, settings())  # type: ignore[arg-type]  # only what reading needs
    documents.collections("orders")
    first = documents.read("orders", b"", (TIME.time, TIME.inc), 10, "")
    second = documents.read("orders", first.last, (TIME.time, TIME.inc), 10, "")
    assert [bson.decode(each)["_id"] for each in (*first.documents, *second.documents)] == [*range(1, 21)]
    assert mongodb.asked == ["listCollections", "find", "find"]
