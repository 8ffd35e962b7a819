"""Questions that a snapshot's reader asks MongoDB for each chunk, above all where it looks for few documents among many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import gt, le
from typing import Any, cast

import bson
import pytest
from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument

from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import Chunk, CollectionReader
from watcher.snapshot.pace import Pace

TIME = Timestamp(1_700_000_000, 1)
COMPARISONS = {"$gt": gt, "$lte": le}
DOCUMENTS, WITHIN = 100, 20


class Server:
    """Answers `find` from documents with the `_id`s 0 to 99, all of which match any query."""

    operation_time = TIME

    def __init__(self) -> None:
        self.asked: list[str] = []

    def command(self, _: str, command: Mapping[str, Any]) -> RawBSONDocument:
        name = next(iter(command))
        self.asked.append("skip" if "skip" in command else name)
        found = (
            [] if name == "listCollections" else [{"_id": each} for each in range(DOCUMENTS) if is_between(each, command["filter"])]
        )
        begin = command.get("skip", 0)
        batch = found[begin : begin + command.get("limit", DOCUMENTS)]
        cursor = {"firstBatch": batch, "id": Int64(0), "ns": "d.users"}
        return RawBSONDocument(bson.encode({"cursor": cursor, "ok": 1.0, "operationTime": TIME}))


def is_between(id_: int, query: Mapping[str, Any]) -> bool:
    conditions = [each["$expr"] for each in query.get("$and", [query]) if "$expr" in each]
    return all(COMPARISONS[name](id_, values[1]["$literal"]) for each in conditions for name, values in each.items())


@pytest.fixture
def server() -> Server:
    return Server()


def chunks(server: Server, limit: int, within: int | None) -> Iterator[Chunk]:
    """All chunks of the collection, one after the other."""
    reader, after, complete = CollectionReader(cast("CommandSession", server), "d"), None, False
    while not complete:
        chunk = reader.chunk("users", after, limit=limit, at=TIME, query={"n": 1}, within=within)
        yield chunk
        after, complete = chunk.last_id, chunk.complete


@pytest.mark.parametrize("within", [None, WITHIN])
def test_each_chunk_asks_once_about_its_collection(server: Server, within: int | None) -> None:
    read = [*chunks(server, 7, within)]
    assert Counter(server.asked)["listCollections"] == len(read) - (within is None)  # the first one has no limits to give
    assert Counter(server.asked)["find"] == len(read)


@pytest.mark.parametrize("limit", [1, 5, 7, 19, 20, 21])
def test_a_piece_is_looked_for_once(server: Server, limit: int) -> None:
    read = [*chunks(server, limit, WITHIN)]
    assert [bson.decode(each)["_id"] for chunk in read for each in chunk.documents] == [*range(DOCUMENTS)]
    assert Counter(server.asked)["skip"] == DOCUMENTS // WITHIN + 1  # the last one finds nothing


def test_a_busy_stream_does_not_make_chunks_tiny_because_a_piece_is_slow_to_find(server: Server) -> None:
    pace, reader, after = Pace(0), CollectionReader(cast("CommandSession", server), "d"), None
    limits = []
    for number in range(12):
        before = Counter(server.asked)["skip"]
        chunk = reader.chunk("users", after, limit=pace.limit(), at=TIME, query={"n": 1}, within=WITHIN)
        seconds = 0.001 + 0.03 * (Counter(server.asked)["skip"] - before)
        pace.read(len(chunk.documents), 300 * len(chunk.documents), seconds, number, busy=True, seen=chunk.seen)
        limits.append(pace.limit())
        after = None if chunk.complete else chunk.last_id
    assert max(limits[-4:]) > 5
