"""Comparing globs by their texts, held against the names that they match."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from itertools import product

import pytest

from watcher.config.mongodb.globs import lies_in, may_meet

TOKENS = ("a", "b", "*", "?", "[ab]", "[!a]")
GLOBS = ["".join(tokens) for length in (1, 2, 3) for tokens in product(TOKENS, repeat=length)]
NAMES = ["".join(letters) for length in range(7) for letters in product("abc", repeat=length)]
"""All names of up to as many letters as two of the globs have tokens, so that a name in common is among them."""


@cache
def names_of(glob: str) -> frozenset[str]:
    return frozenset(name for name in NAMES if fnmatchcase(name, glob))


def test_two_globs_meet_if_a_name_matches_both() -> None:
    wrong = [
        (one, other) for one in GLOBS[::5] for other in GLOBS if may_meet(one, other) is names_of(one).isdisjoint(names_of(other))
    ]
    assert wrong == []


def test_what_lies_in_a_glob_has_no_names_of_its_own() -> None:
    found = [(one, other) for one in GLOBS for other in GLOBS if lies_in(one, other)]
    assert len(found) > len(GLOBS)
    assert [(one, other) for one, other in found if not names_of(one) <= names_of(other)] == []


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("tenant_*", "*_7", True),
        ("tenant_*", "shop_*", False),
        ("[a-c]*", "[!a-c]*", False),
        ("[a-c]*", "[c-e]*", True),
        ("[[]x", "[x", True),
        ("a" * 60 + "*", "*" + "b" * 60, True),
        ("*a" * 30, "*b" * 30, False),
    ],
)
def test_globs_of_people(one: str, other: str, meet: bool) -> None:
    assert may_meet(one, other) is may_meet(other, one) is meet
