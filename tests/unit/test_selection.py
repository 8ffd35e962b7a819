"""Globs and the match stage: the server must select what the settings say."""

from __future__ import annotations

import re
import warnings
from fnmatch import fnmatchcase

import pytest
from bson.regex import Regex
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.mongodb.selection import NOT_REWRITTEN, event_stage, glob_to_regex, match_stage

NAMES = st.text(alphabet="abz019._-^]![\\ü*?{}\t ", min_size=1, max_size=6)
GLOBS = st.text(alphabet="ab9*?[]!^-\\.&~|:ü{}\t ", max_size=8)
SETS = st.builds("a[{}]b{}".format, st.text(alphabet="abz09-!^\\]&~|[:", min_size=1, max_size=5), st.sampled_from(["", "*"]))


@given(glob=GLOBS | SETS, name=NAMES)
@example(glob="[^a]", name="b")
@example(glob="[^a]", name="^")
@example(glob="[]a]", name="]")
@example(glob="[!]a]", name="b")
@example(glob="[b-a]", name="b")
@example(glob="[!b-a]", name="x")
@example(glob="[a-]", name="-")
@example(glob="[[:digit:]]", name=":]")
@example(glob="[\\d]", name="d")
@example(glob="a[b", name="a[b")
@example(glob="**", name="ab")
def test_a_glob_means_what_fnmatch_says(glob: str, name: str) -> None:
    with warnings.catch_warnings(action="error"):  # what Python calls ambiguous, MongoDB's engine may well read otherwise
        found = re.fullmatch(glob_to_regex(glob), name, re.DOTALL)
    assert bool(found) is fnmatchcase(name, glob)


ENCRYPTION = Regex(r"^enxcol_\..*$", "s")


def test_all_is_all_but_what_mongodb_keeps_for_encryption() -> None:
    [stage] = match_stage((), ())
    assert stage["$match"]["$or"] == [
        {"ns.coll": {"$lt": "enxcol_."}},
        {"ns.coll": {"$gte": "enxcol_/"}},
        {"to.coll": {"$lt": "enxcol_."}},
        {"to.coll": {"$gte": "enxcol_/"}},
        {"operationType": {"$in": ["dropDatabase", "invalidate"]}},
    ]
    assert "$nin" not in str(match_stage(["enxcol_.*", "*"], ()))


@pytest.mark.parametrize(
    ("watch", "exclude", "condition"),
    [
        (["users"], [], {"$in": ["users"]}),
        ([], ["sessions"], {"$nin": ["sessions", ENCRYPTION]}),
        (["users", "branches"], ["sessions"], {"$in": ["users", "branches"], "$nin": ["sessions"]}),
    ],
)
def test_plain_names_are_compared_as_they_are(watch: list[str], exclude: list[str], condition: dict[str, list[str]]) -> None:
    [stage] = match_stage(watch, exclude)
    assert stage["$match"]["$or"][0] == {"ns.coll": condition}


@pytest.mark.parametrize("name", ["a{2}", "a{1,}b", "a*{2}\t"])
def test_a_name_with_a_brace_is_escaped_by_us_since_mongodb_does_not(name: str) -> None:
    [stage] = match_stage([name], [])
    [regex] = stage["$match"]["$or"][0]["ns.coll"]["$in"]
    assert re.match(regex.pattern, name, regex.flags)
    assert not re.match(regex.pattern, "aa", regex.flags)
    assert regex.pattern.isprintable()


def test_a_glob_becomes_an_anchored_regular_expression() -> None:
    [stage] = match_stage(["log_*"], [])
    [regex] = stage["$match"]["$or"][0]["ns.coll"]["$in"]
    assert re.match(regex.pattern, "log_2024", regex.flags)
    assert not re.match(regex.pattern, "old_log_2024", regex.flags)


def test_the_end_of_the_database_always_comes_through() -> None:
    [stage] = match_stage(["users"], ["sessions"])
    assert {"operationType": {"$in": ["dropDatabase", "invalidate"]}} in stage["$match"]["$or"]


@pytest.mark.parametrize(
    ("watch", "exclude", "is_cheap"),
    [
        ([], [], True),
        (["users", "branches"], ["sessions"], True),
        (["log_*"], [], False),
        (["users"], ["log_*"], False),
        ([], ["sessions"], False),
    ],
)
def test_mongodb_searches_its_oplog_for_plain_names_alone(watch: list[str], exclude: list[str], is_cheap: bool) -> None:
    [stage] = match_stage(watch, exclude)
    assert (NOT_REWRITTEN not in stage["$match"]["$or"]) is is_cheap


def test_exclusions_alone_do_not_let_every_event_without_a_target_pass() -> None:
    [stage] = match_stage([], ["sessions"])
    assert {"to.coll": {"$exists": True, "$nin": ["sessions", ENCRYPTION]}} in stage["$match"]["$or"]


TIME = "826B0840D200000006"
EVENT = "2C0100296E5A10046562C50D4E54430B80420697DEDB34E4"
"""Place and UUID, as mongod 6.0.5 and 6.0.27 write them between the version and the document's key."""


@pytest.mark.parametrize(
    ("saved", "now"),
    [
        ("2B02" + EVENT + "461E5F6964002B020004", "2B02" + EVENT + "461E5F6964002B020004"),
        ("2B02" + EVENT + "461E5F6964002B020004", "2B04" + EVENT + "463C6F7065726174696F6E5479706500"),
        ("2B04" + EVENT + "461E5F6964002B0200002B0204", "2B04" + EVENT + "461E5F6964002B02000004"),
    ],
    ids=["same", "upgraded", "fragment"],
)
def test_the_event_of_a_token_is_found_by_its_beginning(saved: str, now: str) -> None:
    pattern = event_stage({"_data": TIME + saved})["$match"]["_id._data"]["$regex"]
    assert re.match(pattern, TIME + now)
    for other in (
        TIME[:-1] + "7" + now,
        TIME + now.replace("29", "2B02"),
        TIME + now.replace("34E4", "34E5"),
        TIME + "2B0229296E04",
    ):
        assert not re.match(pattern, other)


def test_a_token_without_an_event_finds_none() -> None:
    pattern = event_stage({"_data": TIME + "2B0229296E04"})["$match"]["_id._data"]["$regex"]
    assert not re.match(pattern, TIME + "2B02" + EVENT)
