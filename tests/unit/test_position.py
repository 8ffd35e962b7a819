"""The text of a position: what was written is read back, and anything else is refused, not guessed at."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.errors import PositionLost
from watcher.kafka.position import dump, load
from watcher.model import Owner, Position, Snapshot, token_seconds

OWNER = Owner(instance="9f3c", host="host-1", pid=4711)
TOKEN = {"_data": "826592A940000000012B0229296E04"}
GOOD = json.loads(dump(Position("dashboard", OWNER, TOKEN, 42)))

HEX = st.text("0123456789ABCDEF", min_size=10, max_size=60)
TOKENS = st.fixed_dictionaries({"_data": HEX}, optional={"_typeBits": st.binary()})
OWNERS = st.builds(Owner, instance=st.text(), host=st.text(), pid=st.integers(1, 2**22))
POSITIONS = st.builds(Position, st.text(min_size=1), OWNERS, st.none() | TOKENS, st.integers(0, 2**53), last_snapshot=st.text())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.sampled_from(["$date", "$oid", "$uuid", "$binary", "$numberDecimal", "$numberInt", "_data"]) | st.text()
ANY_JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=8)


@given(POSITIONS)
def test_a_position_survives_its_text(position: Position) -> None:
    assert load(dump(position)) == position


def test_only_a_position_with_a_snapshot_behind_it_names_one() -> None:
    position = Position("dashboard", OWNER, TOKEN, 42)
    assert "lastSnapshot" not in GOOD
    running = Snapshot("s1", "insert", "initial", "2026-11-26T18:00:00Z")
    ended = position.moved(TOKEN, 1, running).moved(TOKEN, 1, replace(running, state="completed")).moved(TOKEN, 1)
    assert json.loads(dump(ended))["lastSnapshot"] == "s1"
    assert load(dump(ended)) == ended


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
@example(b"")
@example(b"null")
@example(b"[" * 100_000)
@example(b'{"$date": "noon"}')
@example(b'{"$oid": "short"}')
@example(b'{"$numberDecimal": "x"}')
def test_whatever_else_lies_there_is_a_lost_position(text: bytes) -> None:
    with pytest.raises(PositionLost) as caught:
        load(text)
    assert caught.value.hint


@given(field=st.sampled_from(sorted(GOOD)), value=ANY_JSON)
@example(field="token", value="8265")
@example(field="token", value={})
@example(field="token", value={"_data": "x"})
@example(field="token", value={"_data": "zzzzzzzzzzzz"})
@example(field="sequence", value="42")
@example(field="sequence", value=-1)
@example(field="owner", value={"instance": "x"})
def test_a_position_with_one_wrong_field_is_lost_or_can_be_used(field: str, value: Any) -> None:
    try:
        position = load(json.dumps(GOOD | {field: value}).encode())
    except PositionLost:
        return
    assert position.sequence + 1 > 0
    assert position.token is None or token_seconds(position.token) >= 0


def test_a_later_format_is_not_read() -> None:
    with pytest.raises(PositionLost, match="version 2"):
        load(json.dumps(GOOD | {"version": 2}).encode())


def test_a_token_is_written_as_mongodb_gave_it() -> None:
    assert GOOD["token"] == TOKEN
    assert token_seconds(TOKEN) == 1_704_110_400
