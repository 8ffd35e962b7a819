"""Checks what somebody wants to have copied, by asking MongoDB, before a snapshot of it begins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

from bson import json_util

from watcher.config import Settings
from watcher.config.fault import did_you_mean
from watcher.config.mongodb.scope import Scope
from watcher.errors import WatcherError
from watcher.model import Snapshot
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionReader
from watcher.mongodb.errors import QueryRefused
from watcher.snapshot import plan
from watcher.snapshot.documents import StreamDocuments


def requested(settings: Settings, patterns: Sequence[str], query: str, operation: Literal["insert", "replace"]) -> Snapshot:
    """Make a snapshot of these names and globs, or else of what the settings choose. The settings' filters hold in it, but for the
    one collection that has a `query` of its own."""
    chosen = tuple(patterns) or settings.snapshot_collections
    filters = {name: text for name, text in settings.snapshot_filter.items() if _may_choose(settings.scope, chosen, name)}
    return plan.begun("command", operation, chosen, filters | ({patterns[0]: query} if query else {}))


def _may_choose(scope: Scope, patterns: tuple[str, ...], name: str) -> bool:
    """Return True if the patterns choose a collection that the filter of this name is for."""
    if not scope.is_shared:
        return scope.chooses(patterns, name)
    return replace(scope, watch_collections=patterns, exclude_collections=()).may_watch(name)


class RequestRefused(WatcherError):
    """There is nothing of the kind to be copied, or MongoDB does not take the query."""


def check_request(settings: Settings, patterns: Sequence[str], query: str = "") -> None:
    """Check that each name or glob chooses a watched collection that can be copied, and that MongoDB takes the query, which is for
    the one collection. Errors: RequestRefused; Outage, NotPermitted and the like."""
    with closing(CommandSession(settings)) as session:
        names, _ = StreamDocuments(session, settings).collections()
        for pattern in patterns:
            check_chooses(pattern, names, settings.scope)
        if query:
            found = next(name for name in names if settings.scope.chooses(patterns, name))
            database, collection = settings.scope.place_of(found)
            _try_query(CollectionReader(session, database), collection, query)


def check_chooses(pattern: str, names: Collection[str], scope: Scope) -> None:
    """Check that the name or glob chooses one of these collections. Errors: RequestRefused."""
    if any(scope.chooses((pattern,), name) for name in names):
        return
    known = did_you_mean(pattern, names) or f"There are: {', '.join(sorted(names)) or 'none'}."
    raise RequestRefused(f"No watched collection that can be copied is called '{pattern}'.", hint=known)


def _try_query(reader: CollectionReader, collection: str, query: str) -> None:
    try:
        reader.plan(collection, json_util.loads(query))
    except QueryRefused as error:
        raise RequestRefused(str(error).replace("does not take it", "does not take the filter", 1)) from error
