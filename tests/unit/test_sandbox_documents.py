"""The demo's documents are what BSON can hold, and the same for the same seed."""

from __future__ import annotations

from random import Random

import bson
import pytest

from watcher.sandbox import documents
from watcher.sandbox.documents import COLLECTIONS, Collection


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda collection: collection.name)
def test_documents_are_bson_and_follow_from_the_seed(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    now = documents.now()
    monkeypatch.setattr(documents, "now", lambda: now)

    for build in (collection.make, collection.change):
        document = build(Random(7))
        assert bson.decode(bson.encode(document)).keys() == document.keys()
        assert build(Random(7)) == document


def test_the_collections_are_those_of_the_two_databases() -> None:
    names = {(collection.database, collection.name) for collection in COLLECTIONS}

    dashboard = {"users", "organizations", "practitioners", "schedules", "notifications", "branches"}
    assert names == {("dashboard", name) for name in dashboard} | {("analytics", "page_views"), ("analytics", "events")}
