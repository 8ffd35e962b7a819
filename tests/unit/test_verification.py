"""The pure parts of `verify`: numbers, lineages, differences, keys, states."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, ObjectId, UuidRepresentation
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.cli.delivery.temporary import temporary_directory
from watcher.config.mongodb.scope import Scope
from watcher.log import iso
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.verification import verifier
from watcher.verification.copies import Copies
from watcher.verification.difference import NOTHING, at_path, changes
from watcher.verification.errors import NoRoom
from watcher.verification.keys import created_seconds, is_certain, possible_ids
from watcher.verification.lineage import Lineage, naming_of, touched
from watcher.verification.rechecking import Settling
from watcher.verification.result import Verdict
from watcher.verification.sequences import SeenNumbers, SequenceReport, report
from watcher.verification.state import ABSENT, Doubt, Known, StateStore

HERE = ("topic", 0)


@settings(deadline=None, max_examples=50, database=None)
@given(st.sets(st.integers(1, 200_000), max_size=50), st.integers(1, 300_000), st.integers(1, 300_000))
def test_missing_numbers(numbers: set[int], one: int, other: int) -> None:
    first, last = sorted((one, other))
    seen = SeenNumbers()
    assert [seen.add(number) for number in numbers] == [True] * len(numbers)
    assert [seen.add(number) for number in numbers] == [False] * len(numbers)
    spans = list(seen.missing(first, last))
    assert all(before[1] + 1 < after[0] for before, after in pairwise(spans))
    assert sum(b - a + 1 for a, b in spans) == last - first + 1 - len({n for n in numbers if first <= n <= last})
    assert not any(a <= number <= b for a, b in spans for number in numbers)


def test_what_the_numbers_prove() -> None:
    seen = SeenNumbers()
    for number in (*range(3, 10), *range(12, 20), 1_000_000):
        seen.add(number)
    found = report(seen, repeated=2, certain_from=5, last=1_000_002, jumps=[1_000_000])
    assert found.gaps == ((10, 11), (1_000_001, 1_000_002))
    assert found.announced == ((20, 999_999),)
    assert (found.first, found.last, found.lost, found.repeated) == (3, 1_000_000, 4, 2)
    assert report(SeenNumbers(), repeated=0, certain_from=1, last=0, jumps=[]).gaps == ()


def test_missing_numbers_of_compacted_topics_are_no_gaps() -> None:
    seen = SeenNumbers()
    for number in (1, 4, 5):
        seen.add(number)
    found = report(seen, repeated=0, certain_from=1, last=5, jumps=[]).of_compacted_topics()
    assert (found.gaps, found.lost, found.compacted, found.removed) == ((), 0, ((2, 3),), 2)


class Arriving:
    """Topics in which more is to be read each time."""

    def __init__(self, *arrivals: set[int], compacted: bool = False) -> None:
        self._arrivals = [*arrivals]
        self._compacted = compacted
        self._seen = SeenNumbers()
        self.read()

    @property
    def newest(self) -> int:
        return self._seen.highest

    def read(self) -> None:
        for number in self._arrivals.pop(0) if self._arrivals else ():
            self._seen.add(number)

    def sequences(self, last: int) -> SequenceReport:
        return report(self._seen, repeated=0, certain_from=1, last=last, jumps=[])

    def are_compacted(self) -> bool:
        return self._compacted


def test_a_number_that_comes_a_moment_after_a_newer_one_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "POLL_SECONDS", 0)
    topics: Any = Arriving({1, 2, 4}, {6}, {3, 8})
    assert verifier.settled_sequences(topics, 2).gaps == ()


def test_a_number_that_never_comes_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "POLL_SECONDS", 0)
    monkeypatch.setattr(verifier, "ARRIVAL_SECONDS", 0.05)
    topics: Any = Arriving({1, 2, 4}, {6}, {8})
    assert verifier.settled_sequences(topics, 5).gaps == ((3, 3), (5, 5))
    compacted: Any = Arriving({1, 2, 4}, {6}, {8}, compacted=True)
    assert verifier.settled_sequences(compacted, 5).gaps == ()


def control(operation: str, sequence: int, collection: str | None = None, to: str | None = None, database: str = "d") -> Any:
    message = {
        "operationType": operation,
        "sequence": sequence,
        "database": "d",
        "collection": collection,
        "timestamp": iso(sequence),
    }
    return message | ({"to": {"database": database, "collection": to}} if to else {})


LINEAGE = Lineage(
    [
        control("rename", 20, "b", "c"),
        control("drop", 10, "a"),
        control("rename", 30, "c", "a"),
        control("rename", 40, "x.tmp", "y"),
        control("rename", 50, "e", "e", database="other"),
        control("gap", 60),
    ],
    Scope("d", exclude_collections=("*.tmp",)),
)


@pytest.mark.parametrize(
    ("collection", "sequence", "expected"),
    [
        ("a", 5, None), ("a", 15, None), ("a", 35, "a"), ("b", 5, "a"), ("b", 25, "b"), ("c", 15, None), ("c", 25, "a"),
        ("c", 31, "c"), ("y", 5, None), ("x.tmp", 5, "y"), ("x.tmp", 45, None), ("e", 5, None), ("e", 55, "e"), ("z", 1, "z"),
    ],
)  # fmt: skip
def test_what_became_of_a_collection(collection: str, sequence: int, expected: str | None) -> None:
    assert LINEAGE.current(collection, sequence) == expected


def test_what_came_from_outside_is_known_with_its_time() -> None:
    assert {name: LINEAGE.renamed_in_seconds(name) for name in ("a", "c", "y", "z")} == {"a": None, "c": None, "y": 40, "z": None}


class RenamedIn:
    """Topics whose collection `y` was renamed in at second 40."""

    lineage = LINEAGE

    def is_copied(self, _collection: str, *, with_all: bool) -> bool:
        return False


@pytest.mark.parametrize(
    ("collection", "created", "verdict"),
    [
        ("y", 30, Verdict.RENAMED_IN),
        ("y", 40, Verdict.RENAMED_IN),
        ("y", None, Verdict.RENAMED_IN),
        ("y", 41, Verdict.MISSING),
        ("z", 30, Verdict.MISSING),
        ("z", 5, Verdict.OLDER),
        ("z", None, Verdict.UNDATED),
    ],
)
def test_a_document_that_came_with_a_rename_is_not_called_older(collection: str, created: int | None, verdict: Verdict) -> None:
    nobody: Any = None
    topics: Any = RenamedIn()
    settling = Settling(nobody, nobody, topics, nobody, nobody, nobody, 10, False, False, 0, nobody)
    id_ = 7 if created is None else ObjectId.from_datetime(datetime.fromtimestamp(created, UTC))
    assert settling.without_message(collection, bson.encode({"_id": id_})) is verdict


def copied(collection: str | None = None, *, sequence: int, begun: int, **fields: Any) -> Any:
    """A message that says that a collection, or all, has been copied."""
    operation = "snapshotCollectionCompleted" if collection else "snapshotCompleted"
    return control(operation, sequence, collection) | {"startedSequence": begun, "filtered": False, **fields}


def test_what_snapshots_have_copied() -> None:
    copies = Copies()
    copies.take(copied("b", sequence=12, begun=11), LINEAGE)
    copies.take(copied("a", sequence=9, begun=7), LINEAGE)
    copies.take(copied("z", sequence=70, begun=65, filtered=True), LINEAGE)
    copies.take(copied(sequence=71, begun=65, filters={"z": "{}"}), LINEAGE)
    copies.take(copied(sequence=72, begun=65, collections=["z"]), LINEAGE)
    assert list(copies.begun(1)) == [("a", 11)], "the copy of b under today's name; the first a is gone"
    assert list(copies.begun(12)) == [], "some of its messages may be lost"
    assert [copies.has(name, 1, of_all=True) for name in ("a", "b", "z")] == [True, False, False]
    copies.take(copied(sequence=90, begun=80), LINEAGE)
    assert list(copies.begun(12)) == [(None, 80)]
    assert [copies.has("z", certain_from, of_all=True) for certain_from in (1, 80, 81)] == [True, True, False]
    assert [copies.has(name, 1, of_all=False) for name in ("a", "z")] == [True, False]


def test_a_dropped_database_takes_everything_with_it() -> None:
    lineage = Lineage([control("dropDatabase", 10)], Scope("d"))
    assert (lineage.current("a", 9), lineage.current("a", 10)) == (None, "a")


def test_what_became_of_collections_of_several_databases() -> None:
    scope = Scope(None, ("d", "t*"))
    events = [
        control("drop", 10, "a"),
        control("rename", 20, "b", "b", database="t1"),
        control("dropDatabase", 30),
        control("rename", 40, "c", "c", database="elsewhere"),
    ]
    lineage = Lineage(map(naming_of(scope), events), scope)
    asked = [("d.a", 9), ("t1.a", 9), ("d.b", 9), ("t1.b", 9), ("d.x", 29), ("d.x", 30), ("t1.x", 29), ("d.c", 35)]
    assert [lineage.current(*each) for each in asked] == [None, "t1.a", "t1.b", None, None, "d.x", "t1.x", None]
    assert [touched(naming_of(scope)(event), scope) for event in events[:3]] == [{"d.a"}, {"d.b", "t1.b"}, {"d.*"}]


def test_a_time_to_which_changes_are_missing_is_no_collection() -> None:
    scope = Scope(None, ("d", "t*"))
    for operation in ("gap", "rewind"):
        message = {
            "operationType": operation,
            "database": "*",
            "from": "2024-01-01T12:00:00.000Z",
            "to": "2024-01-01T12:00:09.000Z",
        }
        assert naming_of(scope)(message) == message


@pytest.mark.parametrize(
    ("left", "right", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}, 4]}}, ["a.b.1.c", "a.b.2"]),
        ({"a": None}, {}, ["a"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, [""]),
        ({str(n): n for n in range(9)}, {}, ["0", "1", "2", "3", "4"]),
        ([], {}, [""]),
    ],
)
def test_changes(left: Any, right: Any, paths: list[str]) -> None:
    assert [change.path for change in changes(left, right)] == paths


def test_paths() -> None:
    value = {"a": [{"b": 1}], "n": None}
    assert [at_path(value, path) for path in ("a.0.b", "n", "a.1", "a.b", "n.x")] == [1, None, NOTHING, NOTHING, NOTHING]


IDS = [
    "text", 7, 2.5, True, None, ObjectId(), Decimal128("1.10"), datetime(2024, 1, 1, tzinfo=UTC), Binary(b"abc"),
    Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD), {"a": 1},
]  # fmt: skip


@pytest.mark.parametrize("id_", IDS, ids=lambda id_: type(id_).__name__)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_id_of_a_key_is_among_those_tried(id_: Any, dialect: str) -> None:
    import bson

    decoded = DIALECTS[dialect].decode(bson.encode({"_id": id_}))["_id"]
    tried = possible_ids(DIALECTS[dialect].dumps(decoded), dialect)
    assert bson.encode({"": id_}) in [bson.encode({"": value}) for value in tried]


def test_keys_that_leave_too_much_open() -> None:
    assert [is_certain(b'{"a":"x"}', "plain"), is_certain(b'{"a":"x"}', "extended"), is_certain(b'"x"', "plain")] == [
        False,
        True,
        True,
    ]
    assert (created_seconds(ObjectId("65f0c1a2b3c4d5e6f7a8b9c0")), created_seconds("x")) == (0x65F0C1A2, None)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = StateStore(tmp_path)
    yield store
    store.close()


def test_the_highest_sequence_wins(store: StateStore) -> None:
    states = [Known(number, bytes([number]), HERE, number) for number in (2, 3, 1)]
    store.put(("users", b"1", known) for known in states)
    store.put([("orders", b"1", Known(9, ABSENT, ("other", 4), 7))])
    assert store.known("users", [b"1", b"2"]) == {b"1": states[1]}
    assert store.known("orders", [b"1"])[b"1"].partition == ("other", 4)
    assert store.collections() == ["users"]


def test_what_a_snapshot_has_not_found_is_gone(store: StateStore) -> None:
    store.put((name, b"%d" % number, Known(number, b"x", HERE, number)) for name in ("users", "orders") for number in (4, 5, 6))
    store.remove_older("users", 5)
    store.put([("users", b"4", Known(3, b"y", HERE, 3))])
    assert {key: known.digest for key, known in store.known("users", [b"4", b"5"]).items()} == {b"4": ABSENT, b"5": b"x"}
    assert store.known("orders", [b"4"])[b"4"].digest == b"x"
    store.remove_older(None, 7)
    assert store.collections() == []


def test_doubts(store: StateStore) -> None:
    store.put([("users", b"%d" % n, Known(n, b"x", HERE, n)) for n in range(10)])
    store.put([("users", b"gone", Known(99, ABSENT, HERE, 1)), ("users", b"dark", Known(98, None, HERE, 1))])
    store.meet("users", [b"%d" % n for n in range(8)])
    store.doubt_unmet("users")
    store.doubt([Doubt("orders", b"7", b"id")])
    seen = [doubt for doubts in store.doubts(2) for doubt in doubts]
    assert sorted((doubt.collection, doubt.key) for doubt in seen) == [
        ("orders", b"7"), ("users", b"8"), ("users", b"9"), ("users", b"dark"),
    ]  # fmt: skip
    store.settle(seen[1:])
    assert store.doubt_count() == 1


def test_a_disk_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fill(table: str) -> None:
        with temporary_directory("watcher-verify-") as directory, ExitStack() as stack:
            store = stack.enter_context(closing(StateStore(directory)))
            store._database.execute("PRAGMA max_page_count = 12")  # as full as a disk
            store._database.execute(f"SELECT count(*) FROM {table}")
            store.put(("users", b"%d" % number, Known(number, b"x" * 16, ("t", 0), number)) for number in range(10_000))

    with pytest.raises(NoRoom, match=f"cannot be kept in {tmp_path}: database or disk is full") as raised:
        fill("state")
    assert "$TMPDIR" in raised.value.hint
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        fill("no_table")
    assert list(tmp_path.iterdir()) == []
