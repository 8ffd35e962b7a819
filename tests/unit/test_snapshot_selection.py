"""A snapshot goes on under settings that no longer deliver what it was about."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import bson
import pytest

from tests.support.doctoring import as_settings
from watcher.model import Batch, Owner, Position, Snapshot
from watcher.snapshot.interleaver import Interleaver
from watcher.snapshot.pace import MOST_DOCUMENTS
from watcher.snapshot.ports import Read

GIVEN = {"mongodb_uri": "mongodb://127.0.0.1/dashboard", "kafka_brokers": "127.0.0.1:9092", "kafka_client_id": "dashboard-watcher"}
NOW = (1_700_000_000, 5)
TOKEN = {"_data": f"82{NOW[0]:08X}{NOW[1]:08X}2B"}
ONE = bson.encode({"_id": 1})
COPYING = Snapshot("snapshot-1", "replace", "command", "2024-01-01T12:00:00.000Z", started_sequence=1, reached="b", collection="b",
                   last=ONE, documents=9, in_collection=4, seen=NOW)  # fmt: skip


class IdleStream:
    """A stream that stands still at NOW."""

    def open(self, _token: Any) -> Batch:
        return self.next()

    def next(self, _wait_ms: int | None = None) -> Batch:
        return Batch((), TOKEN, NOW[0], operation_time=NOW)


@dataclass
class OneEach:
    """One document in each watched collection, and who asks for which."""

    watched: tuple[str, ...]
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def collections(self, beside: str = "") -> tuple[Mapping[str, object], tuple[int, int]]:
        return {name: name for name in self.watched}, NOW

    def counts(self, chosen: Callable[[str], bool]) -> Mapping[str, int]:
        return {name: 1 for name in self.watched if chosen(name)}

    def read(self, collection: str, after: bytes, at: tuple[int, int], limit: int, query: str) -> Read:
        self.asked.append((collection, after))
        return Read([ONE], complete=True, at=at)

    def try_out(self, queries: Mapping[str, str]) -> None:
        pass


class Deaf:
    def snapshot_counted(self, documents: Mapping[str, int]) -> None:
        pass

    def snapshot_waits(self, reason: str) -> None:
        pass


class Listener(Deaf):
    def __init__(self) -> None:
        self.waits: list[str] = []

    def snapshot_waits(self, reason: str) -> None:
        self.waits.append(reason)


@pytest.mark.parametrize(
    ("again", "asked", "ends"),
    [
        ((), [("c", b"")], ["c"]),
        (("a",), [("a", b""), ("c", b"")], ["a", "c"]),
    ],
)
def test_what_is_not_watched_any_more_is_not_copied_further(again: tuple[str, ...], asked: list[Any], ends: list[str]) -> None:
    settings = as_settings({**GIVEN, "watch_collections": ("a", "c")})
    documents = OneEach(("a", "c"))
    source = Interleaver(IdleStream(), documents, settings, Deaf())
    source.open(Position("dashboard", Owner("ours", "here", 1), TOKEN, 9, snapshot=replace(COPYING, again=again)))
    notices = []
    while not any(notice.operation == "snapshotCompleted" for notice in notices):
        notices += source.next().notices
    assert documents.asked == asked
    assert [notice.fields["collection"] for notice in notices[:-1]] == ends
    assert notices[-1].fields["documents"] == 9 + len(ends)


def test_what_is_still_watched_goes_on_where_it_was() -> None:
    documents = OneEach(("b",))
    source = Interleaver(IdleStream(), documents, as_settings(GIVEN), Deaf())
    source.open(Position("dashboard", Owner("ours", "here", 1), TOKEN, 9, snapshot=COPYING))
    assert source.next().rows == 1
    assert documents.asked == [("b", ONE)]


class SomePass(OneEach):
    """Ten documents, read three at a time, of which a pipeline lets pass those whose `_id` is 5."""

    def read(self, collection: str, after: bytes, at: tuple[int, int], limit: int, query: str) -> Read:
        self.asked.append((collection, after))
        first = bson.decode(after)["_id"] + 1 if after else 0
        ids = range(first, min(first + 3, 10))
        passing = [bson.encode({"_id": _id}) for _id in ids if _id == 5]
        return Read(passing, complete=ids.stop == 10, at=at, last=bson.encode({"_id": ids[-1]}))


def test_a_chunk_of_which_nothing_passes_is_left_behind() -> None:
    documents, observer = SomePass(("b",)), Listener()
    source = Interleaver(IdleStream(), documents, as_settings(GIVEN), observer)
    source.open(Position("dashboard", Owner("ours", "here", 1), TOKEN, 9, snapshot=replace(COPYING, last=b"", in_collection=0)))
    batches: list[Batch] = []
    while not any(notice.operation == "snapshotCompleted" for batch in batches for notice in batch.notices):
        batches.append(source.next())
    assert [bson.decode(after)["_id"] if after else None for _, after in documents.asked] == [None, 2, 5, 8]
    assert [batch.rows for batch in batches if batch.rows] == [1]
    assert observer.waits == ["the next documents are left out"] * 3
    [rows] = [batch for batch in batches if batch.rows]
    after = rows.snapshot_after(1)
    assert after
    assert (after.last, after.in_collection) == (bson.encode({"_id": 5}), 1)
    assert batches[-1].notices[-1].fields["documents"] == COPYING.documents + 1


@dataclass
class HardlyAnyPass(OneEach):
    """Documents of which a pipeline lets one in a hundred pass, and how many are read at once: 100,000 in a second."""

    limits: list[int] = field(default_factory=list)
    now: float = 0.0

    def read(self, collection: str, after: bytes, at: tuple[int, int], limit: int, query: str) -> Read:
        self.limits.append(limit)
        self.now += limit / 100_000
        last = bson.encode({"_id": sum(self.limits)})
        return Read([last] * (limit // 100), complete=len(self.limits) == 8, at=at, last=last, seen=limit)


def test_chunks_grow_by_what_is_read_also_where_hardly_any_of_it_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = HardlyAnyPass(("b",))
    monkeypatch.setattr(time, "monotonic", lambda: documents.now)
    source = Interleaver(IdleStream(), documents, as_settings(GIVEN), Deaf())
    source.open(Position("dashboard", Owner("ours", "here", 1), TOKEN, 9, snapshot=replace(COPYING, last=b"", in_collection=0)))
    while not any(notice.operation == "snapshotCompleted" for notice in source.next().notices):
        pass
    assert documents.limits == [100, 200, 400, 800, 1600, 3200, MOST_DOCUMENTS, MOST_DOCUMENTS]
