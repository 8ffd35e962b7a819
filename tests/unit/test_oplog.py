"""Time for which MongoDB's oplog still holds what follows a position."""

from __future__ import annotations

import pytest

from watcher.oplog import Oplog

HOUR = 3600
NOW = 100 * HOUR


@pytest.mark.parametrize(
    ("size", "max_size", "truncations", "full"),
    [
        (2_128, 3_537_584_640, 0, False),  # a replica set that was made just now
        (89, 100, 0, False),
        (90, 100, 0, True),
        (101, 100, 7, True),
        (50, 100, 7, False),  # it was enlarged
        (None, None, 0, False),  # sizes need collStats
        (None, None, 1, True),
    ],
)
def test_an_oplog_is_full_when_new_entries_cost_old_ones(
    size: int | None, max_size: int | None, truncations: int, full: bool
) -> None:
    assert Oplog(0, size, max_size, truncations=truncations).is_full is full


def test_headroom_is_from_the_oldest_entry_to_the_position() -> None:
    assert Oplog(NOW - 10 * HOUR).headroom_seconds(NOW - HOUR, NOW) == 9 * HOUR
    assert Oplog(NOW - 10 * HOUR).headroom_seconds(NOW - 11 * HOUR, NOW) == -HOUR


def test_what_is_kept_for_a_while_is_not_forgotten_before() -> None:
    """storage.oplogMinRetentionHours: an oplog that is full grows instead."""
    short = Oplog(NOW - HOUR, 100, 100, retention_seconds=24 * HOUR)
    assert short.window_seconds(NOW) == 24 * HOUR
    assert short.headroom_seconds(NOW - HOUR, NOW) == 23 * HOUR
    assert Oplog(NOW - 48 * HOUR, 100, 100, retention_seconds=24 * HOUR).headroom_seconds(NOW - HOUR, NOW) == 47 * HOUR
