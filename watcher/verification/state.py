"""Stores the last state of each document according to the topics, in SQLite because there may be millions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from watcher.kafka.log_reader import Partition

CACHE_KBYTES = 64 * 1024
DIGEST_BYTES = 16
ABSENT = b""
"""Stands for the digest of a document that does not exist."""
FAILED = b"failed"
"""Stands for the digest of a document on which `pipeline` fails."""

SCHEMA = """
CREATE TABLE state (
  collection INTEGER, key BLOB, sequence INTEGER, digest BLOB, partition INTEGER, offset INTEGER, met INTEGER DEFAULT 0,
  PRIMARY KEY (collection, key)
) WITHOUT ROWID;
CREATE VIEW live AS SELECT * FROM state WHERE digest IS NOT x'';
CREATE TABLE doubt (
  collection INTEGER, key BLOB, id BLOB, sequence INTEGER, digest BLOB, looked BLOB, PRIMARY KEY (collection, key)
) WITHOUT ROWID;
"""
PUT = """
INSERT INTO state (collection, key, sequence, digest, partition, offset) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
  sequence = excluded.sequence, digest = excluded.digest, partition = excluded.partition, offset = excluded.offset
WHERE excluded.sequence > sequence
"""


class Known(NamedTuple):
    """The newest message about a document. `digest` is that of the document's text, ABSENT, or None if the message does not contain
    it.
    """

    sequence: int
    digest: bytes | None
    partition: Partition
    offset: int


class Doubt(NamedTuple):
    """A document that differed when looked at. `id` is `{"": _id}` in BSON, or None for one that only the topics know.

    `sequence` belongs to the newest message, and `digest` to the document, at the look before; None if there was none. `looked` is
    the document's digest at this look.
    """

    collection: str
    key: bytes
    id: bytes | None
    sequence: int | None = None
    digest: bytes | None = None
    looked: bytes = ABSENT


def digest_of(text: bytes) -> bytes:
    """Return a short digest that stands for a document's JSON text."""
    return blake2b(text, digest_size=DIGEST_BYTES).digest()


class StateStore:
    """Documents by collection and key. The file is in `directory`, and is of no use afterwards."""

    def __init__(self, directory: Path) -> None:
        self._database = sqlite3.connect(directory / "state.sqlite", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KBYTES}; {SCHEMA}"
        )
        self._numbers: dict[object, int] = {}
        self._names: list[object] = []

    def close(self) -> None:
        """Close the database file."""
        self._database.close()

    def put(self, rows: Iterable[tuple[str, bytes, Known]]) -> None:
        """Add states by collection and key. Of two for one document, the one with the higher sequence stays."""
        self._many(
            PUT,
            (
                (self._number(name), key, known.sequence, known.digest, self._number(known.partition), known.offset)
                for name, key, known in rows
            ),
        )

    def remove_older(self, collection: str | None, sequence: int) -> None:
        """Note that the documents of a collection, or of all, whose newest message has a lower number are gone since `sequence`."""
        remove = "UPDATE state SET digest = x'', sequence = ? WHERE sequence < ?"
        if collection is None:
            self._database.execute(remove, [sequence, sequence])
        else:
            self._database.execute(f"{remove} AND collection = ?", [sequence, sequence, self._number(collection)])

    def known(self, collection: str, keys: Iterable[bytes]) -> dict[bytes, Known]:
        """Return what the topics say of these documents, for those that they know."""
        query = "SELECT sequence, digest, partition, offset FROM state WHERE collection = ? AND key = ?"
        number, found = self._number(collection), {}
        for key in keys:
            if row := self._database.execute(query, (number, key)).fetchone():
                found[key] = Known(row[0], row[1], self._partition(row[2]), row[3])
        return found

    def meet(self, collection: str, keys: Iterable[bytes]) -> None:
        """Note that these documents are in the source."""
        number = self._number(collection)
        self._many("UPDATE state SET met = 1 WHERE collection = ? AND key = ?", ((number, key) for key in keys))

    def collections(self) -> list[str]:
        """Return the collections of which the topics have a document."""
        numbers = self._database.execute("SELECT DISTINCT collection FROM live")
        return [str(self._names[number]) for (number,) in numbers]

    def doubt_unmet(self, collection: str) -> None:
        """Doubt the documents that the topics have and the source did not show."""
        unmet = "SELECT collection, key, NULL, sequence, x'', x'' FROM live WHERE collection = ? AND met = 0"
        self._database.execute("INSERT OR IGNORE INTO doubt " + unmet, [self._number(collection)])

    def some_keys(self, collection: str, count: int) -> list[bytes]:
        """Return the keys of `count` random documents that the topics have."""
        query = "SELECT key FROM live WHERE collection = ? ORDER BY random() LIMIT ?"
        return [key for (key,) in self._database.execute(query, [self._number(collection), count])]

    def doubt(self, doubts: Iterable[Doubt]) -> None:
        """Store doubts, in place of earlier ones about the same documents."""
        self._many(
            "INSERT OR REPLACE INTO doubt VALUES (?, ?, ?, ?, ?, ?)", ((self._number(doubt[0]), *doubt[1:]) for doubt in doubts)
        )

    def settle(self, doubts: Iterable[Doubt]) -> None:
        """Remove doubts."""
        self._many("DELETE FROM doubt WHERE collection = ? AND key = ?", ((self._number(d.collection), d.key) for d in doubts))

    def doubts(self, at_once: int) -> Iterator[list[Doubt]]:
        """Yield all doubts, up to `at_once` at a time and each time of one collection. Between two, doubts may be settled or
        changed.
        """
        after: tuple[int, bytes] = (-1, b"")
        while rows := self._doubts_after(after, at_once):
            same = [row for row in rows if row[0] == rows[0][0]]
            after = same[-1][0], same[-1][1]
            yield [Doubt(str(self._names[row[0]]), *row[1:]) for row in same]

    def doubt_count(self) -> int:
        """Return the number of doubts."""
        return int(self._database.execute("SELECT count(*) FROM doubt").fetchone()[0])

    def _doubts_after(self, after: tuple[int, bytes], count: int) -> list[tuple[Any, ...]]:
        query = "SELECT * FROM doubt WHERE (collection, key) > (?, ?) ORDER BY collection, key LIMIT ?"
        return self._database.execute(query, [*after, count]).fetchall()

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")

    def _number(self, name: object) -> int:
        """Return a small number that stands for a collection or partition, since each row holds some."""
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def _partition(self, number: int) -> Partition:
        name = self._names[number]
        assert isinstance(name, tuple)  # noqa: S101  # for mypy
        return name
