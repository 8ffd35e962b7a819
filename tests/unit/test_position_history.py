"""The history of changes by hand: what was written is read back, the last twenty of it, and garbage is no obstacle."""

from __future__ import annotations

import json

import pytest

from watcher.kafka.ownership import NEW_COUNT, UNKNOWN_COUNT, counted_anew
from watcher.position.history import LIMIT, PositionChange, dump_history, load_history

TOKEN = {"_data": "826592A940000000012B0229296E04", "_typeBits": b"\x01"}


def numbered(number: int) -> PositionChange:
    before = TOKEN if number else None
    return PositionChange(f"2024-01-01T12:00:{number:02}.000Z", "ada@host-1", f"change {number}", before, TOKEN)


def test_the_last_twenty_are_read_back() -> None:
    changes = [numbered(number) for number in range(LIMIT + 5)]
    assert load_history(dump_history(changes[:3])) == tuple(changes[:3])
    assert load_history(dump_history(changes)) == tuple(changes[-LIMIT:])
    assert LIMIT == 20


GOOD = json.loads(dump_history([numbered(1)]))


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"",
        b"garbage",
        b"[]",
        json.dumps(GOOD | {"version": 2}).encode(),
        json.dumps(GOOD | {"changes": [{"at": "noon"}]}).encode(),
        json.dumps(GOOD | {"changes": [GOOD["changes"][0] | {"after": {"_data": "x"}}]}).encode(),
    ],
)
def test_what_is_no_history_is_none(text: bytes | None) -> None:
    assert load_history(text) == ()


@pytest.mark.parametrize("last", [0, 1, UNKNOWN_COUNT - 1, UNKNOWN_COUNT, NEW_COUNT - 1, NEW_COUNT, 7 * NEW_COUNT + 3])
def test_no_number_comes_twice_though_the_last_is_only_about_known(last: int) -> None:
    assert counted_anew(last) % NEW_COUNT == 0
    assert last + UNKNOWN_COUNT <= counted_anew(last) <= last + UNKNOWN_COUNT + NEW_COUNT
