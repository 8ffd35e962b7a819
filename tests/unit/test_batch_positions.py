"""Positions and progress within a batch that holds documents of a snapshot between its events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watcher.model import Batch, ResumeToken, Snapshot

BEFORE = Snapshot("snapshot-1", "insert", "initial", "2024-01-01T12:00:00.000Z", documents=10)


def token(name: str) -> ResumeToken:
    return {"_data": name}


BATCH = Batch(
    [b"a", b"b", b"row", b"row", b"c", b"d"],
    token("the reply's"),
    100,
    token_of=lambda event: token(event.decode()),
    snapshot=BEFORE,
    rows=2,
    behind=2,
    rows_token=token("between"),
    snapshot_at=lambda rows: replace(BEFORE, documents=10 + rows),
)


@pytest.mark.parametrize(
    ("events", "name", "documents"), [(1, "a", 10), (3, "between", 11), (4, "between", 12), (5, "c", 12), (6, "d", 12)]
)
def test_after_some_events(events: int, name: str, documents: int) -> None:
    """Whoever goes on from there reads no document again, and misses no event."""
    assert BATCH.before == 2
    assert BATCH.position_after(events) == token(name)
    snapshot = BATCH.snapshot_after(events)
    assert snapshot
    assert snapshot.documents == documents


def test_without_rows_each_event_has_its_own() -> None:
    batch = replace(BATCH, events=[b"a", b"b"], rows=0, behind=0, snapshot_at=None)
    assert [batch.position_after(events) for events in (1, 2)] == [token("a"), token("b")]
    assert batch.snapshot_after(2) == BEFORE
