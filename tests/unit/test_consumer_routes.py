"""The most specific handler takes a change."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.consumer_changes import change, nothing
from watcher.consumer import (
    Change,
    DatabaseChangeConsumer,
    SnapshotCompleted,
)
from watcher.consumer.registration.routes import REMEMBERED, Route, Routes


def chosen(routes: Routes, *arguments: Any, **fields: Any) -> str | None:
    route = routes.find(change(*arguments, **fields))
    return None if route is None else route.handler.__name__


def named(name: str) -> Any:
    def handler(_: list[Change]) -> None: ...

    handler.__name__ = name
    return handler


def test_the_most_specific_handler_is_chosen() -> None:
    routes = Routes()
    routes.add(Route(named("any")))
    routes.add(Route(named("glob"), "user*", ("insert", "delete")))
    routes.add(Route(named("exact"), "users", ("insert",)))
    routes.add(Route(named("exact elsewhere"), "users", ("insert",), "other*"))
    routes.add(Route(named("gap"), operations=("gap",)))
    assert chosen(routes, "insert", "users") == "exact"
    assert chosen(routes, "insert", "users", database="others") == "exact elsewhere"
    assert chosen(routes, "delete", "users") == "glob"
    assert chosen(routes, "insert", "user_roles") == "glob"
    assert chosen(routes, "update", "users") == "any"
    assert chosen(routes, "insert", "Users") == "any", "names are case-sensitive, as in MongoDB"
    assert chosen(routes, "gap", None) == "gap"
    assert chosen(routes, "dropDatabase", None) == "any"


def test_what_nobody_takes() -> None:
    routes = Routes()
    routes.add(Route(named("users"), "users", ("insert",)))
    assert chosen(routes, "insert", "orders") is None
    assert chosen(routes, "aLaterOperation", "users") is None
    routes.set_other(Route(named("other")))
    assert chosen(routes, "insert", "orders") == "other"
    assert chosen(routes, "aLaterOperation", "users") == "other"


def test_names_without_end_do_not_fill_the_memory() -> None:
    routes = Routes()
    routes.add(Route(nothing))
    for number in range(REMEMBERED + 10):
        routes.find(dataclasses.replace(change(), collection=str(number)))
    assert len(routes._found) <= REMEMBERED


def test_two_handlers_for_the_same_are_refused() -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    consumer.on("users", "insert", "update")(print)
    with pytest.raises(ValueError, match="users already has a handler for insert"):
        consumer.on_batch("users", "insert")(print)
    consumer.on("users", "delete")(print)
    consumer.on_gap(print)
    with pytest.raises(ValueError, match="gap"):
        consumer.on_gap(print)


def test_a_handler_of_snapshots_comes_before_those_of_the_collection() -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    told: list[Any] = []
    consumer.on("users", "*")(told.append)
    consumer.on("users", "snapshotCollectionCompleted")
    consumer.on_snapshot_completed(told.append)
    for operation, collection in (("snapshotCollectionCompleted", "users"), ("snapshotCompleted", None)):
        each = change(operation, collection, snapshot="s", startedSequence=3, documents=5, filtered=False)
        route = consumer._routes.find(each)
        assert route is not None
        route.handler([each])
    assert [(type(each), each.collection) for each in told] == [(SnapshotCompleted, "users"), (SnapshotCompleted, None)]
