"""The examples of transforms."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.change_events import change
from tests.unit.transforming import messages, transforming
from watcher.errors import ConfigurationError
from watcher.transform.loading import load_function

EXAMPLES = Path(__file__).parents[2] / "examples" / "transforms"


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PSEUDONYM_KEY", "k" * 32)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_the_example_that_pseudonymises(monkeypatch: pytest.MonkeyPatch) -> None:
    module = example("pseudonymise", monkeypatch)
    documents = {"email": "a@b.c", "n": 1, "contacts": [{"phone": "1"}, {"phone": ["2"]}, {}]}
    updated = {"email": "x@y.z", "contacts.0.phone": "3", "contacts": [{"phone": "4"}], "n": 2, "contacts.1": {"phone": "5"}}
    event = change("update", fullDocument=documents, updateDescription={"updatedFields": updated, "removedFields": []})
    [made] = messages(transforming(module.pseudonymise), event)
    text, value = made.value.decode(), json.loads(made.value)
    assert value["fullDocument"]["email"] == module.hashed("a@b.c")
    assert value["fullDocument"]["n"] == 1
    assert [orjson.dumps(personal).decode() in text for personal in ("a@b.c", "x@y.z", "1", "2", "3", "4", "5")] == [False] * 7
    assert value["updateDescription"]["updatedFields"]["contacts.0.phone"] == module.hashed("3")
    monkeypatch.setenv("PSEUDONYM_KEY", "short")
    monkeypatch.delitem(sys.modules, "pseudonymise")
    with pytest.raises(ConfigurationError, match="at least 32 characters"):
        load_function("pseudonymise:pseudonymise", EXAMPLES)


def test_the_example_that_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    function = example("route", monkeypatch).by_region
    orders = {"ns": {"db": "shop", "coll": "orders"}}
    [eu] = messages(transforming(function), change("insert", fullDocument={"region": "eu"}, **orders))
    [gone] = messages(transforming(function), change("delete", fullDocumentBeforeChange={"region": "us"}, **orders))
    [other] = messages(transforming(function), change("delete", **orders))
    assert [eu.topic, gone.topic, other.topic] == ["orders.eu", "orders.us", "database.delete"]
    assert messages(transforming(function), change("insert", fullDocument={"test": True}, **orders)) == []


def test_the_example_of_an_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    function = example("outbox", monkeypatch).event
    document = {"topic": "orders.placed", "key": "order-17", "payload": {"total": 3}}
    [made] = messages(transforming(function), change("insert", fullDocument=document, ns={"db": "shop", "coll": "outbox"}))
    assert (made.topic, made.key) == ("orders.placed", b'"order-17"')
    assert json.loads(made.value)["fullDocument"] == {"total": 3}
