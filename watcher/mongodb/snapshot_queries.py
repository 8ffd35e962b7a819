"""Queries of `[snapshot_filter]`, as MongoDB takes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bson import json_util

from watcher.errors import ConfigurationError
from watcher.mongodb.collection_reader import CollectionReader
from watcher.mongodb.errors import QueryRefused

EXAMPLE = '{"at": {"$gt": {"$date": "2024-01-01T00:00:00Z"}}}'
HINT = f"Correct it in [snapshot_filter], for example '{EXAMPLE}'. `watcherctl doctor` tries it."


@lru_cache(maxsize=64)
def parsed(query: str, collection: str) -> Mapping[str, Any] | None:
    """Read a query from its MongoDB Extended JSON; None if it is empty. Errors: ConfigurationError."""
    try:
        return json_util.loads(query) if query else None
    except Exception as error:  # json_util may raise anything
        raise ConfigurationError(f"snapshot_filter.{collection}: not MongoDB Extended JSON: {error}", hint=HINT) from error


def try_query(reader: CollectionReader, collection: str, query: str, name: str) -> None:
    """Let MongoDB plan with a query, which the setting has by this name, so that a bad one is found before its collection's turn.

    Errors: ConfigurationError that names the setting; those of the reader.
    """
    try:
        reader.plan(collection, parsed(query, name) or {})
    except QueryRefused as error:
        raise ConfigurationError(f"snapshot_filter.{name}: {error}", hint=HINT) from error
