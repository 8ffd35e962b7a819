"""Messages in each envelope byte for byte: tests/golden_envelopes.py says what is in the files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.golden_envelopes import ENVELOPES, cases, file_of, made

GOLDEN = [
    (envelope, json.loads(line)) for envelope in ENVELOPES for line in file_of(envelope).read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])
@pytest.mark.parametrize(("envelope", "one"), GOLDEN, ids=[f"{envelope} {one['name']}" for envelope, one in GOLDEN])
def test_the_same_bytes(envelope: str, one: dict[str, Any], native: bool) -> None:
    assert made(envelope, one, native=native) == one["messages"]


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_every_kind_is_in_the_file(envelope: str) -> None:
    expected = [{**one, "messages": 0} for one in cases()]
    assert expected == [{**one, "messages": 0} for golden, one in GOLDEN if golden == envelope]
