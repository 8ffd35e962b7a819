"""exclude_fields: what the setting takes, what it refuses, and the stages made of it. What those do is tested on a real server."""

from __future__ import annotations

import re
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plain_settings import settings
from watcher.config.fault import Invalid, Refused
from watcher.config.mongodb.fields import split_field
from watcher.config.mongodb.scope import Scope
from watcher.mongodb.field_exclusion import exclusion_stages, fields_of

SCOPE = Scope("dashboard")


def refused(**changes: Any) -> Refused:
    """Return the reason for which the settings do not take `changes`."""
    with pytest.raises(Invalid) as caught:
        settings(**changes)
    [error] = caught.value.refusals
    assert error.key == "exclude_fields"
    return error


@pytest.mark.parametrize(
    ("text", "collection", "path"),
    [
        ("users.passwordHash", "users", ("passwordHash",)),
        ("users.contacts.phone", "users", ("contacts", "phone")),
        ("*.ssn", "*", ("ssn",)),
        ("log_20[0-9]?.ip", "log_20[0-9]?", ("ip",)),
        ("fs[.]files.metadata.owner", "fs[.]files", ("metadata", "owner")),
        ("a[]b.]c.d.e", "a[]b.]c", ("d", "e")),
        ("a[!]b.]c.d", "a[!]b.]c", ("d",)),
        ("users.contacts._id", "users", ("contacts", "_id")),
        ("users.größe in cm.US$", "users", ("größe in cm", "US$")),
    ],
)
def test_the_collection_ends_at_the_first_dot_outside_brackets(text: str, collection: str, path: tuple[str, ...]) -> None:
    assert split_field(text) == (collection, path)


@pytest.mark.parametrize("given", ["users.a, *.ssn,", ["users.a", "*.ssn"]])
def test_a_list_or_text_with_commas(given: object) -> None:
    assert settings(exclude_fields=given).exclude_fields == ("users.a", "*.ssn")


@pytest.mark.parametrize(
    ("text", "fault", "hint"),
    [
        ("passwordHash", "names no field", "did you mean '*.passwordHash'?"),
        ("fs[.]files", "names no field", ""),
        (".passwordHash", "empty name", "<collection>.<field>"),
        ("users.", "empty name", "<collection>.<field>"),
        ("users.a..b", "empty name", "<collection>.<field>"),
        ("users._id", "_id cannot be excluded", ""),
        ("users._id.ssn", "_id cannot be excluded", ""),
        ("users.contacts.0.phone", "nothing but names", "did you mean 'users.contacts.phone'?"),
        ("users.contacts.$.phone", "nothing but names", "did you mean 'users.contacts.phone'?"),
        ("users.contacts.$[].phone", "nothing but names", "did you mean 'users.contacts.phone'?"),
        ("users.contacts[0].phone", "nothing but names", "did you mean 'users.contacts.phone'?"),
        ("users.contacts.*.phone", "nothing but names", "did you mean 'users.contacts.phone'?"),
        ("users.*", "nothing but names", ""),
        ("users.pass*", "no field", "for the collection alone"),
        ("users.$where", "no field", ""),
        ("users.a\0b", "NUL", ""),
        ("us$ers.a", "does not allow", ""),
        ("us[ers.a", "open bracket", ""),
    ],
)
def test_refusals(text: str, fault: str, hint: str) -> None:
    error = refused(exclude_fields=[text])
    assert fault in str(error)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "watch", "fault", "hint"),
    [
        ("dashboard.users.ssn", [], "begins with the database", "did you mean 'users.ssn'?"),
        ("dashboard.users.ssn", ["users"], "begins with the database", "did you mean 'users.ssn'?"),
        ("user.ssn", ["users", "branches"], "'user' is not watched", "did you mean 'users'?"),
        ("Users.ssn", ["users"], "'Users' is not watched", "did you mean 'users'?"),
    ],
)
def test_a_collection_that_is_probably_misspelt_is_refused(text: str, watch: list[str], fault: str, hint: str) -> None:
    error = refused(exclude_fields=[text], watch_collections=watch)
    assert fault in str(error)
    assert error.hint == hint


@pytest.mark.parametrize(
    ("text", "watch"),
    [
        ("user.ssn", []),
        ("user.ssn", ["users", "use*"]),
        ("page_views.ip", ["users"]),  # defaults.toml may name what other watchers watch
        ("user?.ssn", ["users"]),
        ("dashboard.ssn", ["dashboard"]),
    ],
)
def test_a_collection_that_may_well_exist_is_taken(text: str, watch: list[str]) -> None:
    assert settings(exclude_fields=[text], watch_collections=watch).exclude_fields == (text,)


def test_other_faults_are_not_hidden() -> None:
    with pytest.raises(Invalid) as caught:
        settings(mongodb_uri="mongodb://localhost", exclude_fields=["dashboard.users.ssn"])
    assert [error.key for error in caught.value.refusals] == ["mongodb_uri"]


def test_nothing_to_exclude_is_no_stage() -> None:
    assert exclusion_stages((), SCOPE) == []


def unset(stages: list[dict[str, Any]]) -> list[str]:
    return [path for stage in stages for path in stage.get("$unset", ())]


def test_paths_below_another_one_are_left_out() -> None:
    stages = exclusion_stages(["users.a.b.c", "users.a", "users.a.b", "users.ab", "*.a.b"], SCOPE)
    documents = [path for path in unset(stages) if ".fullDocument." in path]
    assert documents == ["excluding.fullDocument.a", "excluding.fullDocument.ab", "excluding.fullDocument.a.b"]


def test_fields_of_one_collection_share_their_stages() -> None:
    assert (
        len(exclusion_stages(["users.a", "users.b.c"], SCOPE))
        == len(exclusion_stages(["users.a"], SCOPE))
        < len(exclusion_stages(["*.a", "b.a"], SCOPE))
    )


def conditions(collection: str) -> list[dict[str, Any]]:
    """By name, and for temporary collections."""
    found: list[dict[str, Any]] = exclusion_stages([f"{collection}.a"], SCOPE)[0]["$replaceWith"]["$cond"][0]["$or"]
    return found


def test_a_name_is_compared_as_it_is() -> None:
    assert conditions("users")[0] == {"$eq": ["$ns.coll", "users"]}


def test_a_glob_is_an_anchored_regular_expression() -> None:
    regex = conditions("fs[.]f*")[0]["$regexMatch"]["regex"]
    assert re.search(regex, "fs.files")
    assert not re.search(regex, "fs_files")
    assert not re.search(regex, "old.fs.files")


def test_temporary_collections_may_become_the_one() -> None:
    regex = conditions("users")[1]["$regexMatch"]["regex"]
    assert re.search(regex, "tmp.agg_out.8c5e92b5-4431-48d8-a2c8-2c2f77042f28")
    assert re.search(regex, "tmp6sJ6g.convertToCapped.users")
    assert not re.search(regex, "tmp")
    assert not re.search(regex, "a.tmp.agg_out.1")


NAMES = st.text(st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="\0.$*[]"), min_size=1, max_size=4).filter(
    lambda name: name != "_id"
)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(tuple)


@given(paths=st.sets(PATHS, min_size=1, max_size=6))
def test_every_outermost_path_is_unset_in_both_documents(paths: set[tuple[str, ...]]) -> None:
    stages = exclusion_stages((".".join(["users", *path]) for path in paths), SCOPE)
    outermost = {path for path in paths if not any(path != other and path[: len(other)] == other for other in paths)}
    for document in ("fullDocument", "fullDocumentBeforeChange"):
        prefix = f"excluding.{document}."
        assert {path.removeprefix(prefix) for path in unset(stages) if path.startswith(prefix)} == set(map(".".join, outermost))
    bson.encode({"pipeline": stages})


def concerned_by_the_stages(pattern: str, collection: str) -> bool:
    """Result that MongoDB makes of the stages' condition; its regular expressions are written for Python's as well."""
    for condition in conditions(pattern):
        if "$eq" in condition:
            if condition["$eq"][1] == collection:
                return True
        elif re.search(condition["$regexMatch"]["regex"], collection, re.DOTALL):
            return True
    return False


@pytest.mark.parametrize("pattern", ["users", "u*", "*", "[uv]sers", "[!u]*", "us?rs", "a.b", "größe", "a+b(c)", "a{2}"])
@pytest.mark.parametrize(
    "collection",
    ["users", "u", "vsers", "Users", "a.b", "a_b", "größe", "a+b(c)", "aa", "a{2}", "us\nrs",
     "tmp.agg_out.8c5e92b5-4431-48d8-a2c8-2c2f77042f28", "tmp6sJ6g.convertToCapped.users", "tmp"],
)  # fmt: skip
def test_documents_lose_fields_where_events_do(pattern: str, collection: str) -> None:
    if pattern.startswith("a"):
        pattern = pattern.replace(".", "[.]")
    assert (fields_of([f"{pattern}.x"], collection) == ["x"]) == concerned_by_the_stages(pattern, collection)


@given(paths=st.sets(PATHS, min_size=1, max_size=6))
def test_documents_lose_the_paths_that_events_lose(paths: set[tuple[str, ...]]) -> None:
    fields = [".".join(["users", *path]) for path in paths]
    prefix = "excluding.fullDocument."
    in_events = [path.removeprefix(prefix) for path in unset(exclusion_stages(fields, SCOPE)) if path.startswith(prefix)]
    assert fields_of(fields, "users") == in_events
    assert fields_of(fields, "others") == []


def test_patterns_for_one_collection_leave_out_their_paths_together() -> None:
    assert fields_of(["users.a.b", "*.a", "u*.c.d", "others.e"], "users") == ["a", "c.d"]
