"""End of a collection: nothing read is not always nothing there."""

from __future__ import annotations

import pytest

from watcher.model import Ticks
from watcher.snapshot.ports import Read, Unreadable
from watcher.snapshot.scan import Scan


class Renamed:
    """A MongoDB in which the name stands for nothing any more, at the operation time `now`."""

    now: Ticks = (29, 1)

    def collections(self, beside: str = "") -> tuple[dict[str, object], Ticks]:
        return {}, self.now

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        return Read([], complete=True, at=at)


def read(scan: Scan, at: Ticks) -> Read:
    return scan.read("users", b"", at, 10, "")


def test_the_end_counts_once_the_stream_has_come_to_the_rename() -> None:
    scan = Scan(Renamed())
    with pytest.raises(Unreadable, match="just been dropped or renamed"):
        read(scan, (28, 1))
    assert read(scan, (29, 1)).complete


def test_what_was_known_before_a_rename_onto_the_name_does_not_count() -> None:
    """At 34 there was a collection of that name, which MongoDB does not show since it was renamed at 36."""
    mongodb = Renamed()
    scan = Scan(mongodb)
    with pytest.raises(Unreadable):
        read(scan, (28, 1))
    scan.forget("users")
    mongodb.now = (36, 1)
    with pytest.raises(Unreadable):
        read(scan, (34, 1))
    assert read(scan, (36, 1)).complete
