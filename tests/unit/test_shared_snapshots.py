"""Snapshots of several databases: what is chosen, which filter counts, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.plain_settings import settings
from tests.unit.test_scope import WITHOUT_DATABASE
from watcher.snapshot import plan
from watcher.snapshot.request import RequestRefused, check_chooses, requested

FILTERS = {"orders": '{"a": 1}', "tenant_2.orders": '{"b": 1}', "visits": "{}"}
SETTINGS = settings(mongodb_uri=WITHOUT_DATABASE, watch_databases=["tenant_*"], snapshot_filter=FILTERS)
SCOPE = SETTINGS.scope
NAMES = ["tenant_1.orders", "tenant_1.users", "tenant_1.old.orders", "tenant_2.orders", "tenant-3.orders"]


@pytest.mark.parametrize(
    ("patterns", "order"),
    [
        ((), ["tenant-3.orders", "tenant_1.old.orders", "tenant_1.orders", "tenant_1.users", "tenant_2.orders"]),
        (("orders",), ["tenant-3.orders", "tenant_1.orders", "tenant_2.orders"]),
        (("tenant_*.orders",), ["tenant_1.orders", "tenant_2.orders"]),
        (("tenant_1.*",), ["tenant_1.old.orders", "tenant_1.orders", "tenant_1.users"]),
    ],
)
def test_one_collection_after_another(patterns: tuple[str, ...], order: list[str]) -> None:
    snapshot, taken = plan.begun("command", "replace", patterns), []
    while following := plan.next_collection(snapshot, NAMES, SCOPE):
        snapshot = following
        taken.append(snapshot.collection)
    assert taken == order


def test_what_is_renamed_onto_a_copied_collection_is_read_again() -> None:
    snapshot = replace(plan.begun("command", "replace", ["tenant_*.orders"]), reached="tenant_2.orders")
    assert plan.renamed_onto(snapshot, "tenant_1.orders", SCOPE).again == ("tenant_1.orders",)
    assert plan.renamed_onto(snapshot, "tenant_1.users", SCOPE).again == ()
    assert plan.renamed_onto(snapshot, "tenant_3.orders", SCOPE).again == ()  # its turn is still to come


@pytest.mark.parametrize(
    ("collection", "query"),
    [("tenant_1.orders", '{"a": 1}'), ("tenant_2.orders", '{"b": 1}'), ("tenant_1.users", ""), ("tenant_1.x.orders", "")],
)
def test_a_filter_of_one_database_goes_before_one_of_all(collection: str, query: str) -> None:
    snapshot = replace(plan.begun("command", "replace", (), FILTERS), collection=collection)
    assert plan.query_of(snapshot, SCOPE) == query
    assert plan.collection_completed(snapshot, SCOPE)[1].fields["filtered"] is bool(query)


@pytest.mark.parametrize(
    ("patterns", "filters"),
    [
        ((), {"orders", "tenant_2.orders", "visits"}),
        (("tenant_1.orders",), {"orders"}),
        (("tenant_*.orders",), {"orders", "tenant_2.orders"}),
        (("users",), set()),
    ],
)
def test_a_request_has_the_filters_that_can_concern_it(patterns: tuple[str, ...], filters: set[str]) -> None:
    assert requested(SETTINGS, patterns, "", "replace").filters.keys() == filters


def test_a_request_for_nothing_is_refused() -> None:
    check_chooses("tenant_1.users", NAMES, SCOPE)
    check_chooses("users", NAMES, SCOPE)
    with pytest.raises(RequestRefused) as caught:
        check_chooses("tenant_1.user", NAMES, SCOPE)
    assert caught.value.hint == "did you mean 'tenant_1.users'?"
