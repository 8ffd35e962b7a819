"""Messages in a watcher's topic tell of that watcher."""

from __future__ import annotations

import pytest

from watcher.kafka.earlier_messages import number_of, sequence_of


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


class FakeRecord:
    def __init__(self, value: bytes | None, headers: list[tuple[str, bytes]] | None) -> None:
        self._value, self._headers = value, headers

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers


OURS = ("watcher.name", b"dashboard-watcher")


@pytest.mark.parametrize(
    ("value", "headers", "number"),
    [
        (None, [OURS, ("watcher.sequence", b"42")], 42),  # a tombstone
        (b'{"a": 1}', [OURS, ("watcher.sequence", b"42")], 42),
        (b'{"watcher": "dashboard-watcher", "sequence": 7}', None, 7),
        (b'{"a": 1}', [("watcher.name", b"another-watcher"), ("watcher.sequence", b"42")], 0),
        (b'{"a": 1}', [OURS, ("watcher.sequence", b"many")], 0),
        (b'{"a": 1}', [OURS], 0),
        (None, None, 0),
    ],
)
def test_headers_tell_where_the_value_does_not(value: bytes | None, headers: list[tuple[str, bytes]] | None, number: int) -> None:
    assert number_of(FakeRecord(value, headers), "dashboard-watcher") == number  # type: ignore[arg-type]  # as far as it is asked
