"""Messages byte for byte as they have been since 0.1.0: tests/golden_messages.py says what is in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.golden_messages import FILE, Case, cases, made, notices, snapshot_notices

GOLDEN = [json.loads(line) for line in FILE.read_text().splitlines()]
*EVENTS, NOTICES, SNAPSHOT_NOTICES = GOLDEN


def name(one: Case) -> str:
    return f"{one['name']} {one['settings'].get('json_format', '')}"


@pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])
@pytest.mark.parametrize("one", EVENTS, ids=name)
def test_the_same_bytes(one: dict[str, Any], native: bool) -> None:
    assert made(one, native=native) == one["messages"]


def test_the_watchers_own_messages() -> None:
    assert notices() == NOTICES["messages"]
    assert snapshot_notices() == SNAPSHOT_NOTICES["messages"]


def test_every_kind_is_in_the_file() -> None:
    assert [{**one, "messages": 0} for one in cases()] == [{**one, "messages": 0} for one in EVENTS]
