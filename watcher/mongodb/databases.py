"""Names of the databases that a scope covers now, and of their collections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress

import pymongo

from watcher.config import Settings
from watcher.config.mongodb.scope import Scope
from watcher.errors import WatcherError
from watcher.mongodb.client import CommandSession
from watcher.mongodb.collection_reader import CollectionKind, CollectionReader
from watcher.mongodb.errors import translated, understood

NO_STREAM = (CollectionKind.VIEW, CollectionKind.TIME_SERIES)
"""Kinds of collections that have no change stream."""


def databases_of(session: CommandSession, scope: Scope) -> list[str]:
    """Return the names of a scope's databases that exist; a single one is not looked for. Without the right listDatabases, MongoDB
    names those on which the user has rights.

    Errors: Outage, NotPermitted, UnsupportedServer.
    """
    if scope.single is not None:
        return [scope.single]
    with translated(), understood():
        reply = session.command("admin", {"listDatabases": 1, "nameOnly": True})
        return sorted(name for each in reply["databases"] if scope.has_database(name := each["name"]))


def collections_of(reader: CollectionReader, database: str, scope: Scope) -> Iterator[str]:
    """Yield the collections of one database that a scope watches, and names. Errors: as CollectionReader."""
    for info in reader.collections():
        if info.kind not in NO_STREAM and scope.includes(database, info.name):
            yield scope.name_of(database, info.name)


def names_within(seconds: float, watchers: Iterable[Settings]) -> set[str]:
    """Return the collections that these watchers watch, as far as MongoDB tells them in this time. Raises no error."""
    found: set[str] = set()
    with pymongo.timeout(seconds):
        for settings in watchers:
            with suppress(WatcherError, pymongo.errors.PyMongoError), closing(CommandSession(settings)) as session:
                for database in databases_of(session, settings.scope):
                    found.update(collections_of(CollectionReader(session, database), database, settings.scope))
    return found
