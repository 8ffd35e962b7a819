"""Checks what somebody wants to have copied, by asking MongoDB, before a snapshot of it begins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Literal

import bson
from bson import MaxKey, json_util

from watcher.config import Settings
from watcher.config.fault import did_you_mean
from watcher.config.mongodb.collections import is_watched
from watcher.errors import Outage, UnsupportedServer, WatcherError
from watcher.model import Snapshot
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionReader
from watcher.snapshot import plan
from watcher.snapshot.documents import READ_MS, StreamDocuments

OF_EXPRESSIONS = "Location"
"""Beginning of the names of MongoDB's errors that have only a number; those about expressions are among them."""

NOTHING = bson.encode({"_id": MaxKey()})
"""An `_id` after which there is none: so a query is tried without a search for documents."""


def requested(settings: Settings, patterns: Sequence[str], query: str, operation: Literal["insert", "replace"]) -> Snapshot:
    """Make a snapshot of these names and globs, or else of what the settings choose. The settings' filters hold in it, but for the
    one collection that has a `query` of its own."""
    chosen = tuple(patterns) or settings.snapshot_collections
    filters = {name: text for name, text in settings.snapshot_filter.items() if is_watched(name, chosen, ())}
    return plan.begun("command", operation, chosen, filters | ({patterns[0]: query} if query else {}))


class RequestRefused(WatcherError):
    """There is nothing of the kind to be copied, or MongoDB does not take the query."""


def check_request(settings: Settings, patterns: Sequence[str], query: str = "") -> None:
    """Check that each name or glob chooses a watched collection that can be copied, and that MongoDB takes the query, which is for
    the one collection. Errors: RequestRefused; Outage, NotPermitted and the like."""
    with closing(CommandSession(settings)) as session:
        names, _ = StreamDocuments(session, settings).collections()
        for pattern in patterns:
            check_chooses(pattern, names)
        if query:
            _try_query(CollectionReader(session, settings.database), patterns[0], query)


def check_chooses(pattern: str, names: Collection[str]) -> None:
    """Check that the name or glob chooses one of these collections. Errors: RequestRefused."""
    if any(is_watched(name, (pattern,), ()) for name in names):
        return
    known = did_you_mean(pattern, names) or f"There are: {', '.join(sorted(names)) or 'none'}."
    raise RequestRefused(f"No watched collection that can be copied is called '{pattern}'.", hint=known)


def _try_query(reader: CollectionReader, collection: str, query: str) -> None:
    try:
        reader.chunk(collection, NOTHING, limit=1, query=json_util.loads(query), max_time_ms=READ_MS)
    except (Outage, UnsupportedServer) as error:
        if isinstance(error, UnsupportedServer) or error.code.startswith(OF_EXPRESSIONS):
            raise RequestRefused(f"MongoDB does not take the filter: {str(error).partition(': ')[2]}.") from error
        raise
