"""The filter that MongoDB gets for several databases: it must select what the scope says, of every event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bson.regex import Regex
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.plain_settings import settings
from tests.unit.test_scope import shared
from watcher.config.fault import Invalid
from watcher.config.mongodb.fields import fields_in
from watcher.config.mongodb.scope import Scope
from watcher.mongodb.field_exclusion import exclusion_stages
from watcher.mongodb.selection import match_stage, scope_stage

DATABASES = ("a", "ab", "b", "a-b", "a{2}", "*")
COLLECTIONS = ("a", "ab", "a.b", "b", "enxcol_.a.esc", "a{2}")
DATABASE_PATTERNS = st.lists(st.sampled_from(["a", "b", "a*", "?", "*", "[!a]*", "a{2}", "a-b", "[*]"]), max_size=3)
PATTERNS = st.lists(
    st.sampled_from(["a", "b", "a*", "*", "*.a", "a.b", "a*.a*", "*.a.b", "b.*", "a{2}", "*.enxcol_.*", "[!b].?"]), max_size=3
)


def scopes() -> st.SearchStrategy[Scope]:
    return st.builds(scope_or_none, DATABASE_PATTERNS, DATABASE_PATTERNS, PATTERNS, PATTERNS).filter(bool)


def scope_or_none(databases: list[str], *others: list[str]) -> Scope | None:
    names = ("exclude_databases", "watch_collections", "exclude_collections")
    try:
        return shared(watch_databases=databases or ["*"], **dict(zip(names, others, strict=True)))
    except Invalid:
        return None


EVENT = {"_id": "a resume token"}


def selects(condition: Mapping[str, Any], event: Mapping[str, str]) -> bool:
    """Judge a `$match` as MongoDB does, for the operators that the filter uses."""
    return all(holds(field, wanted, event) for field, wanted in condition.items())


def holds(field: str, wanted: Any, event: Mapping[str, str]) -> bool:
    if field == "$and":
        return all(selects(part, event) for part in wanted)
    if field in ("$or", "$nor"):
        return any(selects(part, event) for part in wanted) is (field == "$or")
    if isinstance(wanted, str):
        return event.get(field) == wanted
    value = event.get(field)
    return all(compares(operator, operand, value) for operator, operand in wanted.items())


def compares(operator: str, operand: Any, value: str | None) -> bool:
    if operator == "$exists":
        return (value is not None) is operand
    found = value is not None and any(
        bool(re.search(each.pattern, value, each.flags)) if isinstance(each, Regex) else each == value for each in operand
    )
    return found if operator == "$in" else not found


@given(scope=scopes())
@example(scope=shared(watch_databases="*"))
@example(scope=shared(watch_databases=["a", "b*"], exclude_databases=["ab"], watch_collections=["a.b"]))
def test_the_server_selects_what_the_scope_says(scope: Scope) -> None:
    [stage] = scope_stage(scope)
    for database in DATABASES:
        for collection in COLLECTIONS:
            wanted = scope.includes(database, collection)
            insert = EVENT | {"operationType": "insert", "ns.db": database, "ns.coll": collection}
            rename = EVENT | {"operationType": "rename", "ns.db": "elsewhere", "ns.coll": "x"}
            rename |= {"to.db": database, "to.coll": collection}
            assert selects(stage["$match"], insert) is wanted
            assert selects(stage["$match"], rename) is (wanted or scope.includes("elsewhere", "x"))


@given(scope=scopes())
def test_the_end_of_a_database_comes_through_for_those_in_the_scope(scope: Scope) -> None:
    [stage] = scope_stage(scope)
    for database in DATABASES:
        dropped = EVENT | {"operationType": "dropDatabase", "ns.db": database}
        assert selects(stage["$match"], dropped) is scope.has_database(database)
    assert selects(stage["$match"], EVENT | {"operationType": "invalidate"})


def test_one_database_has_the_filter_that_it_always_had() -> None:
    scope = settings(watch_collections="users,o*", exclude_collections="sessions").scope
    assert scope_stage(scope) == match_stage(("users", "o*"), ("sessions",))
    assert "ns.db" not in str(scope_stage(scope))


def test_fields_of_a_database_are_left_out_there_alone() -> None:
    scope = shared(watch_databases=["tenant_*", "shop"])
    texts = ("users.email", "tenant_*.orders.phone", "shop.orders.card.number")
    assert fields_in("tenant_1", texts, scope) == (
        "users.email",
        "tenant_*.orders.phone",
        "orders.phone",
        "shop.orders.card.number",
    )
    assert fields_in("shop", texts, scope) == (
        "users.email",
        "tenant_*.orders.phone",
        "shop.orders.card.number",
        "orders.card.number",
    )
    tests = [
        stage["$replaceWith"]["$cond"][0] for stage in exclusion_stages(texts, scope) if "$cond" in stage.get("$replaceWith", {})
    ]
    conditions = [str(test) for test in tests if "$ROOT" not in str(test) and "missing" not in str(test)]
    assert sum("'$ns.db'" in condition for condition in conditions) == 2


def test_one_database_has_its_fields_as_they_are_written() -> None:
    texts = ("users.email", "fs[.]files.metadata.owner", "*.ssn")
    assert fields_in("dashboard", texts, settings().scope) == texts
