"""Backlogs for the benchmarks: changes in the oplog before anybody follows them, and the limit of how fast they can be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from bson import Int64, Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, MongoClient, UpdateOne, WriteConcern

DOCUMENTS, END = "documents", "end"
"""The collection of the backlog, and that of the one document inserted last: whoever has delivered it has delivered all."""

SIZES = {"small": 300, "medium": 2_000, "large": 16_000}
"""Of a document, in bytes, about."""

BULK_BYTES = 8_000_000
AWAIT_MS = 1000
SEED = 20_240_101

Operation = InsertOne[dict[str, Any]] | UpdateOne | DeleteOne


@dataclass(frozen=True, slots=True)
class Backlog:
    """`events` changes of `database` from `since` on, the end's included; of updates `in_vain` the document is gone already."""

    database: str
    events: int
    since: Timestamp
    in_vain: int = 0

    @property
    def start_from(self) -> str:
        """For the worker's setting of that name."""
        return self.since.as_datetime().isoformat()


def fill(uri: str, database: str, events: int, *, size: str = "small", mix: bool = False) -> Backlog:
    """Write `events` changes of documents of a `size` of SIZES, and the end. Inserts only, or a `mix`: see `operations`."""
    with MongoClient[dict[str, Any]](uri) as client:
        collection = client[database].get_collection(DOCUMENTS, write_concern=WriteConcern(1))
        since = client.admin.command("ping")["operationTime"]
        since = Timestamp(since.time, 1)  # `start_from` has whole seconds; before the fill this database has no changes
        at_once = max(1, BULK_BYTES // SIZES[size])
        operation = operations(events, SIZES[size], mix=mix)
        while bulk := [one for _, one in zip(range(at_once), operation, strict=False)]:
            collection.bulk_write(bulk, ordered=mix)
        client[database].get_collection(END, write_concern=WriteConcern("majority")).insert_one({"_id": 0})
    return Backlog(database, events + 1, since, looked_up_in_vain(events, size) if mix else 0)


def operations(events: int, size: int, *, mix: bool) -> Iterator[Operation]:
    """Inserts; in a mix 5 of 10 are inserts, 4 updates of a document written shortly before, and 1 a delete of an old one."""
    rng = Random(SEED)
    inserted, deleted = 0, 0
    for number in range(events):
        kind = number % 10 if mix else 0
        if kind in (0, 2, 4, 6, 8):
            yield InsertOne(document(inserted, size, rng))
            inserted += 1
        elif kind == 9:
            yield DeleteOne({"_id": deleted})
            deleted += 1
        else:
            identity = rng.randrange(max(deleted, inserted - 1000), inserted)
            yield UpdateOne({"_id": identity}, {"$set": {"visits": number, "address.city": f"City {number % 97}"}})


def looked_up_in_vain(events: int, size: str) -> int:
    """The updates of a mix whose document is gone when all is written, so that nobody can look it up any more."""
    written = [one for one in operations(events, SIZES[size], mix=True) if not isinstance(one, InsertOne)]
    deleted = sum(1 for one in written if isinstance(one, DeleteOne))
    return sum(1 for one in written if isinstance(one, UpdateOne) and one._filter["_id"] < deleted)


def document(number: int, size: int, rng: Random) -> dict[str, Any]:
    """As services keep them: some short fields, and a text that fills it up. Not compressible to nothing."""
    return {
        "_id": number,
        "name": f"Person {number}",
        "email": f"person{number}@example.org",
        "roles": ["admin", "practitioner"],
        "address": {"street": f"Main street {number % 997}", "city": "London"},
        "active": True,
        "visits": 0,
        "notes": rng.randbytes(max(1, (size - 220) // 2)).hex(),
    }


def drain(uri: str, backlog: Backlog, batch_size: int = 1000) -> float:
    """The limit: a getMore loop that throws the events away, from the first reply to the last; events a second."""
    codec: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
    with MongoClient[dict[str, Any]](uri) as client, client.start_session() as session:
        database = client[backlog.database]
        pipeline = [{"$changeStream": {"startAtOperationTime": backlog.since, "fullDocument": "updateLookup"}}]
        first = database.command({"aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": 0}}, session=session)
        more = {"getMore": Int64(first["cursor"]["id"]), "collection": "$cmd.aggregate", "batchSize": batch_size}
        seen, started = 0, time.perf_counter()
        while seen < backlog.events:
            reply = database.command({**more, "maxTimeMS": AWAIT_MS}, session=session, codec_options=codec)
            seen += number_of_events(bytes(reply["cursor"].raw))
        return seen / (time.perf_counter() - started)


def number_of_events(cursor: bytes) -> int:
    """Without decoding them: the last one's index is its name in the array `nextBatch`, a reply's first field."""
    array = cursor.index(b"nextBatch\x00") + len(b"nextBatch\x00")
    position, count = array + 4, 0
    while cursor[position]:
        position = cursor.index(b"\x00", position) + 1
        position += int.from_bytes(cursor[position : position + 4], "little")
        count += 1
    return count
