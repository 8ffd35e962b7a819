"""Brings the messages of two watchers together: same collection, operation and key, at about the same time."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

CACHE_KBYTES = 64 * 1024


class Told(NamedTuple):
    """What one message told; `time_ms` since 1970, `values` by the path in our messages."""

    collection: str
    operation: str
    key: str
    time_ms: int
    values: dict[str, Any]


class Pair(NamedTuple):
    """The two sides of one change; None where nobody told of it."""

    old: Told | None
    ours: Told | None


class Pairing:
    """Keeps what both sides told in SQLite, in `directory`, because it may be much."""

    def __init__(self, directory: Path) -> None:
        self._database = sqlite3.connect(directory / "pairing.sqlite", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KBYTES};"
            "CREATE TABLE told (collection, operation, key, time_ms INTEGER, told BLOB, ours INTEGER)"
        )

    def add(self, told: Iterable[Told], *, ours: bool) -> None:
        """Keep what one side told."""
        rows = ((*one[:4], orjson.dumps(one.values), ours) for one in told)
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def first_ms(self, *, ours: bool) -> int | None:
        """When a side told of something for the first time."""
        first: int | None = self._database.execute("SELECT min(time_ms) FROM told WHERE ours = ?", [ours]).fetchone()[0]
        return first

    def pairs(self, window_ms: int) -> Iterator[Pair]:
        """Each message once, with the other side's if that lies within the window."""
        rows = self._database.execute("SELECT * FROM told ORDER BY collection, operation, key, time_ms, ours")
        for _, group in itertools.groupby(rows, key=lambda row: row[:3]):
            old: list[Told] = []
            ours: list[Told] = []
            for collection, operation, key, time_ms, values, is_ours in group:
                told = Told(collection, operation, key, time_ms, orjson.loads(values))
                (ours if is_ours else old).append(told)
            yield from paired(old, ours, window_ms)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()


def paired(old: list[Told], ours: list[Told], window_ms: int) -> Iterator[Pair]:
    """Pairs of one document's messages, both in the order of time: the earliest that are near enough belong together."""
    at_old = at_ours = 0
    while at_old < len(old) or at_ours < len(ours):
        left = old[at_old] if at_old < len(old) else None
        right = ours[at_ours] if at_ours < len(ours) else None
        if left and right and abs(left.time_ms - right.time_ms) > window_ms:
            left, right = (left, None) if left.time_ms < right.time_ms else (None, right)
        at_old += left is not None
        at_ours += right is not None
        yield Pair(left, right)
