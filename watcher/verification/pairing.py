"""Pairs the messages of two watchers: same collection, operation and key, at about the same time."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

CACHE_KBYTES = 64 * 1024


class Told(NamedTuple):
    """The change that one message reported. `time_ms` counts from 1970; `values` are keyed by the path in our messages.

    `topic` is the old watcher's: the topic of its message, or the one with which ours is compared. `ours` is the number of our
    message, from 1; 0 marks a message of the old watcher.
    """

    collection: str
    operation: str
    topic: str
    key: str
    time_ms: int
    values: dict[str, Any]
    ours: int = 0


class Pair(NamedTuple):
    """The two sides of one change; a side that did not report it is None."""

    old: Told | None
    ours: Told | None


class Pairing:
    """Keeps the changes of both sides in an SQLite file in `directory`, because there may be many.

    Several old topics can report one change, so each of them is paired with ours separately. A message of ours is left over only if
    none of them has a counterpart for it: the old watcher may report each change in just one of several topics.
    """

    def __init__(self, directory: Path) -> None:
        self._database = sqlite3.connect(directory / "pairing.sqlite", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KBYTES};"
            "CREATE TABLE told (collection, operation, topic, key, time_ms INTEGER, told BLOB, ours INTEGER);"
            "CREATE TABLE paired (ours INTEGER PRIMARY KEY);"
        )

    def add(self, told: Iterable[Told]) -> None:
        """Add changes of either side. A message of ours must come with all its entries, one for each old topic."""
        self._database.execute("BEGIN")
        rows = ((*one[:5], orjson.dumps(one.values), one.ours) for one in told)
        self._database.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def first_ms(self, *, ours: bool) -> int | None:
        """Time of the first change that a side reported, in milliseconds since 1970; None if it reported none."""
        first: int | None = self._database.execute("SELECT min(time_ms) FROM told WHERE (ours > 0) = ?", [ours]).fetchone()[0]
        return first

    def pairs(self, window_ms: int) -> Iterator[Pair]:
        """Yield each old message with ours, if ours lies within the window. Then yield each of ours that has no counterpart."""
        rows = self._database.execute("SELECT * FROM told ORDER BY collection, operation, topic, key, time_ms, ours")
        for _, group in itertools.groupby(rows, key=lambda row: row[:4]):
            old: list[Told] = []
            ours: list[Told] = []
            for told in map(_told, group):
                (ours if told.ours else old).append(told)
            yield from self._with_old(paired(old, ours, window_ms))
        alone = "SELECT *, min(topic) FROM told WHERE ours AND ours NOT IN (SELECT ours FROM paired) GROUP BY ours ORDER BY time_ms"
        for row in self._database.execute(alone):
            yield Pair(None, _told(row[:-1]))

    def _with_old(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs that have an old message, and note which of ours were among them."""
        for pair in pairs:
            if pair.old and pair.ours:
                self._database.execute("INSERT OR IGNORE INTO paired VALUES (?)", [pair.ours.ours])
            if pair.old:
                yield pair

    def close(self) -> None:
        """Close the database file."""
        self._database.close()


def _told(row: tuple[Any, ...]) -> Told:
    return Told._make((*row[:5], orjson.loads(row[5]), row[6]))


def paired(old: list[Told], ours: list[Told], window_ms: int) -> Iterator[Pair]:
    """Pair the messages about one document. Both lists are in order of time; the earliest that are near enough belong together."""
    at_old = at_ours = 0
    while at_old < len(old) or at_ours < len(ours):
        left = old[at_old] if at_old < len(old) else None
        right = ours[at_ours] if at_ours < len(ours) else None
        if left and right and abs(left.time_ms - right.time_ms) > window_ms:
            left, right = (left, None) if left.time_ms < right.time_ms else (None, right)
        at_old += left is not None
        at_ours += right is not None
        yield Pair(left, right)
