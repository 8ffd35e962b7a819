"""Messages in a watcher's topic tell of that watcher."""

from __future__ import annotations

import pytest

from watcher.kafka.earlier_messages import sequence_of


@pytest.mark.parametrize(
    ("value", "sequence"),
    [
        (b'{"operationType": "insert", "watcher": "dashboard-watcher", "sequence": 42}', 42),
        (b'{"watcher": "another-watcher", "sequence": 42}', 0),
        (b'{"watcher": "dashboard-watcher"}', 0),
        (b'{"watcher": "dashboard-watcher", "sequence": "42"}', 0),
        (b"[1, 2]", 0),
        (b"\x00garbage", 0),
        (b"", 0),
    ],
)
def test_only_a_message_of_this_watcher_counts(value: bytes, sequence: int) -> None:
    assert sequence_of(value, "dashboard-watcher") == sequence
