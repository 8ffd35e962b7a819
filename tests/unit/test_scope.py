"""The scope of a watcher: what its one stream covers, with one database and with several."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plain_settings import refusal, settings
from watcher.config.mongodb.collections import is_watched
from watcher.config.mongodb.fields import readings
from watcher.config.mongodb.scope import Scope

WITHOUT_DATABASE = "mongodb://localhost:27017/"


def shared(**changes: Any) -> Scope:
    return settings(mongodb_uri=WITHOUT_DATABASE, **{"watch_databases": ["tenant_*"], **changes}).scope


def refused(**changes: Any) -> str:
    return refusal(**{"mongodb_uri": WITHOUT_DATABASE, "watch_databases": ["tenant_*"], **changes})


NAMES = st.text("ab.*_", min_size=1, max_size=4).filter(lambda name: not name.startswith("."))
PATTERNS = st.lists(NAMES, max_size=3)


@given(collection=NAMES, watch=PATTERNS, exclude=PATTERNS)
def test_one_database_is_as_it_always_was(collection: str, watch: list[str], exclude: list[str]) -> None:
    scope = settings(watch_collections=watch, exclude_collections=exclude).scope
    assert (scope.single, scope.name, scope.is_shared) == ("dashboard", "dashboard", False)
    assert scope.watches(collection) == scope.includes("dashboard", collection) == is_watched(collection, watch, exclude)
    assert not scope.includes("other", collection)
    assert scope.place_of(collection) == ("dashboard", collection)
    assert scope.name_of("dashboard", collection) == collection


def test_several_databases_have_the_name_of_all() -> None:
    scope = shared()
    assert (scope.single, scope.name, scope.is_shared) == (None, "*", True)
    assert settings(mongodb_uri=WITHOUT_DATABASE, watch_databases="a").database == "*"
    assert scope.name_of("tenant_1", "audit.log") == "tenant_1.audit.log"
    assert scope.place_of("tenant_1.audit.log") == ("tenant_1", "audit.log")


@pytest.mark.parametrize(
    ("database", "covered"),
    [("tenant_1", True), ("tenant_", True), ("tenant_test", False), ("Tenant_1", False), ("shop", False), ("tenant1", False)],
)
def test_the_databases_of_a_scope(database: str, covered: bool) -> None:
    assert shared(exclude_databases="*_test").has_database(database) is covered


@pytest.mark.parametrize("database", ["admin", "local", "config"])
def test_mongodbs_own_databases_are_never_in_it(database: str) -> None:
    assert not shared(watch_databases="*").has_database(database)
    assert "has no change stream for that database" in refused(watch_databases=f"shop,{database}")


@pytest.mark.parametrize(
    ("name", "watched"),
    [
        ("tenant_1.users", True),
        ("tenant_1.orders", True),
        ("shop.users", True),
        ("shop.orders", False),
        ("tenant_9.users", False),
        ("tenant_1.old.orders", False),  # not the collection `orders` of a database `tenant_1.old`
        ("tenant_1.secrets", False),
        ("tenant_1.audit.log", True),
        ("shop.audit.log", True),
        ("other.users", False),
        ("tenant_1.system.views", False),
    ],
)
def test_collections_with_and_without_their_database(name: str, watched: bool) -> None:
    scope = shared(
        watch_databases=["tenant_*", "shop"],
        watch_collections=["users", "tenant_*.orders", "*.audit.log", "secrets", "system*"],
        exclude_collections=["tenant_9.*", "secrets"],
    )
    assert scope.watches(name) is watched


def test_encrypted_collections_are_watched_only_by_name() -> None:
    assert not shared(watch_collections="*.*").watches("tenant_1.enxcol_.users.esc")
    assert shared(watch_collections="tenant_*.enxcol_.users.esc").watches("tenant_1.enxcol_.users.esc")


@given(database=st.text("ab_", min_size=1, max_size=3), collection=NAMES, pattern=NAMES)
def test_a_pattern_without_a_dot_is_about_every_database(database: str, collection: str, pattern: str) -> None:
    scope = shared(watch_databases="*")
    matches = scope.pattern_of(pattern).matches(database, collection)
    if "." not in pattern:
        assert matches == fnmatchcase(collection, pattern)
    else:
        of_database, _, of_collection = pattern.partition(".")
        assert matches == (fnmatchcase(database, of_database) and fnmatchcase(collection, of_collection))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mongodb_uri": "mongodb://h/shop"}, "is set, but mongodb_uri names the database 'shop'"),
        ({"watch_databases": []}, "mongodb_uri: names no database"),
        ({"watch_databases": [], "exclude_databases": "a"}, "exclude_databases: is set without watch_databases"),
        ({"watch_databases": "a,b", "exclude_databases": "?"}, "exclude_databases: leaves no database to watch"),
        ({"watch_databases": "t_*", "exclude_databases": "t_*"}, "exclude_databases: leaves no database to watch"),
        ({"watch_databases": "t_*,a", "exclude_databases": "*"}, "exclude_databases: leaves no database to watch"),
        ({"watch_databases": "t_a*", "exclude_databases": "t_*"}, "exclude_databases: leaves no database to watch"),
        ({"watch_databases": "a.b"}, "no database has a dot in its name"),
        ({"watch_databases": "a/b"}, "a name that MongoDB does not allow: 'a/b'"),
        ({"watch_databases": "x" * 64}, "a name that MongoDB does not allow"),
        ({"watch_databases": "!a"}, "which no database matches"),
        ({"exclude_databases": "[a"}, "a glob with an open bracket"),
        ({"watch_collections": "audit.log"}, "watch_collections: has 'audit.log', but no database 'audit' is watched"),
        ({"exclude_collections": "shop_*.a", "watch_databases": "a,b"}, "but no database 'shop_*' is watched"),
        ({"watch_collections": "shop_*.a"}, "but no database 'shop_*' is watched"),
        ({"watch_collections": "tenant_1."}, "which names no collection"),
        ({"snapshot_collections": "carts", "watch_collections": "orders"}, "snapshot_collections: has 'carts', which is not"),
        ({"snapshot_collections": "cart*", "watch_collections": "order*"}, "snapshot_collections: has 'cart*', which is not"),
        ({"snapshot_filter": {"shop.a": "{}"}}, "snapshot_filter.shop.a: has 'shop.a', but no database 'shop' is watched"),
        ({"snapshot_filter": {"a": "{}"}, "exclude_collections": "a"}, "has 'a', which is not watched"),
        ({"kafka_topic_control": "{database}.control"}, "kafka_topic_control: cannot hold {database} with watch_databases"),
        ({"envelope": "document", "kafka_db_changes_topic": "{collection}"}, "'document' needs topics for each database"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], text: str) -> None:
    assert text in refused(**changes)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("tenant_1.orders", "which names a database and no field"),
        ("tenant_*.orders", "which names a database and no field"),
        ("tenant_1.orders._id", "_id cannot be excluded"),
        ("oders.phone", "no collection that it can mean is watched"),
    ],
)
def test_fields_that_would_not_be_left_out_are_refused(field: str, text: str) -> None:
    assert text in refused(exclude_fields=[field], watch_collections=["orders", "users"])


def test_a_field_is_left_out_in_each_way_in_which_it_can_be_read() -> None:
    assert list(readings("tenant_*.orders.phone", shared())) == [
        (("*", "tenant_*"), ("orders", "phone")),
        (("tenant_*", "orders"), ("phone",)),
    ]
    assert list(readings("users.contacts.phone", shared())) == [(("*", "users"), ("contacts", "phone"))]
    assert list(readings("users.contacts.phone", settings().scope)) == [(("*", "users"), ("contacts", "phone"))]


def test_topics_of_several_databases_are_known_by_their_templates() -> None:
    of_all = settings(mongodb_uri=WITHOUT_DATABASE, watch_databases="*", kafka_db_changes_topic="{database}.changes")
    assert of_all.configured_topics == {"database.control": "kafka_topic_control", "dashboard-watcher.position": "kafka_client_id"}


@pytest.mark.parametrize("envelope", ["document", "debezium", "mongodb"])
def test_an_envelope_with_topics_of_collections_needs_no_more_settings(envelope: str) -> None:
    of_all = settings(mongodb_uri=WITHOUT_DATABASE, watch_databases="*", envelope=envelope)
    assert of_all.kafka_topic_insert == "{database}.{collection}"
    assert of_all.kafka_topic_control == "database-control"
