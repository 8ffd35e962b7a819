"""The scope of a watcher: the collections of one database, or of several of one MongoDB, that its one stream covers. Pure.

With one database, names and patterns are those of its collections. With several, a database and a dot stand before a name, as in
MongoDB's own namespaces: no database has a dot in its name, so the first one ends it. A pattern without a dot is about the
collections of every database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from watcher.config.mongodb.collections import SYSTEM, is_glob, unmeant
from watcher.config.mongodb.globs import lies_in, may_meet

ALL = "*"
"""The name of a scope of several databases, in its position and its control messages; as a glob, every name."""

WITHOUT_CHANGE_STREAM = ("admin", "local", "config")
"""MongoDB's own databases, which have no change streams."""

UP_TO_DOT = re.compile(r"(?:\[!?\]?[^\]]*\]|[^.])*")
"""The text up to the first dot outside brackets. `[.]` stands for a dot in a name."""


class Pattern(NamedTuple):
    """A name or glob of databases, and one of their collections."""

    database: str
    collection: str

    def matches(self, database: str, collection: str) -> bool:
        """Return True if both names match."""
        return fnmatchcase(collection, self.collection) and fnmatchcase(database, self.database)


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that one change stream covers. `single` is the database of a scope that has only one. Without it, `databases`
    and `exclude_databases` choose among all. The others are the settings of the same names."""

    single: str | None
    databases: tuple[str, ...] = ()
    exclude_databases: tuple[str, ...] = ()
    watch_collections: tuple[str, ...] = ()
    exclude_collections: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Return True if several databases share the stream."""
        return self.single is None

    @property
    def name(self) -> str:
        """The database that positions, and control messages about the whole scope, name."""
        return ALL if self.single is None else self.single

    def has_database(self, database: str) -> bool:
        """Return True if the stream covers this database."""
        if self.single is not None:
            return database == self.single
        excluded = (*WITHOUT_CHANGE_STREAM, *self.exclude_databases)
        return _matches(database, self.databases) and not _matches(database, excluded)

    def includes(self, database: str, collection: str) -> bool:
        """Return True if changes of this collection are delivered. Exclusions win, and MongoDB's own collections are never
        watched."""
        selected = self._selects(database, collection, self.watch_collections, self.exclude_collections)
        return selected and self.has_database(database)

    def watches(self, name: str) -> bool:
        """Return `includes` for a collection that is named as `name_of` names it."""
        return self.includes(*self.place_of(name))

    def chooses(self, patterns: Sequence[str], name: str) -> bool:
        """Return True if the patterns, as those of a snapshot, choose a collection that is named as `name_of` names it; none choose
        all."""
        return self._selects(*self.place_of(name), patterns)

    def name_of(self, database: str, collection: str) -> str:
        """Name a collection within this scope: with its database if there are several."""
        return f"{database}.{collection}" if self.is_shared else collection

    def place_of(self, name: str) -> tuple[str, str]:
        """Return the database and the collection of a name within this scope."""
        if self.single is not None:
            return self.single, name
        database, _, collection = name.partition(".")
        return database, collection

    def pattern_of(self, text: str) -> Pattern:
        """Read a pattern as this scope means it."""
        if self.is_shared and (rest := UP_TO_DOT.sub("", text, count=1)):
            return Pattern(text.removesuffix(rest), rest[1:])
        return Pattern(ALL, text)

    def unmeant(self, watch: Iterable[str]) -> tuple[str, ...]:
        """Return what `collections.unmeant` returns for the collections that the patterns name."""
        return unmeant(self.pattern_of(text).collection for text in watch)

    def may_watch(self, text: str) -> bool:
        """Return True if the pattern can mean a collection that is watched."""
        wanted = self.pattern_of(text)
        watch = [self.pattern_of(pattern) for pattern in self.watch_collections] or [Pattern(ALL, ALL)]
        excluded = [self.pattern_of(pattern) for pattern in self.exclude_collections]
        return (
            self.may_have_database(wanted.database)
            and any(may_meet(wanted.database, of.database) and may_meet(wanted.collection, of.collection) for of in watch)
            and not any(lies_in(wanted.database, of.database) and lies_in(wanted.collection, of.collection) for of in excluded)
        )

    def may_have_database(self, pattern: str) -> bool:
        """Return True if the name or glob can mean a database of the scope."""
        if not is_glob(pattern):
            return self.has_database(pattern)
        return self.single is not None or any(may_meet(pattern, database) for database in self.databases)

    def may_have_any(self) -> bool:
        """Return True if what is excluded leaves anything of what is named, as far as that can be told from the texts."""
        names = [pattern for pattern in self.databases if not is_glob(pattern)]
        globs = [pattern for pattern in self.databases if is_glob(pattern)]
        is_left = (not any(lies_in(pattern, other) for other in self.exclude_databases) for pattern in globs)
        return any(map(self.has_database, names)) or any(is_left)

    def _selects(self, database: str, collection: str, watch: Sequence[str], exclude: Sequence[str] = ()) -> bool:
        if collection.startswith(SYSTEM) or _matches(collection, self.unmeant(watch)):
            return False
        if any(self.pattern_of(text).matches(database, collection) for text in exclude):
            return False
        return not watch or any(self.pattern_of(text).matches(database, collection) for text in watch)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
