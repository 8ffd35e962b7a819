"""Names and globs of the settings that match nothing in MongoDB: misspelt, or of what is still to be created. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from watcher.config import Settings
from watcher.config.fault import did_you_mean
from watcher.config.mongodb.collections import is_glob
from watcher.config.mongodb.fields import readings
from watcher.config.mongodb.scope import Scope

TO_BE_CREATED = "correct the names, unless the {what} are still to be created"
SUPERFLUOUS = "correct the names, or remove them"

Trouble = tuple[str, str]
"""A name or glob that matches nothing, in a sentence, and what to do."""


def unmatched(collections: Collection[str], databases: Collection[str], settings: Settings) -> Iterator[Trouble]:
    """Yield the names and globs that match none of MongoDB's collections, which are named as the scope names them, or none of its
    databases."""
    for key in ("watch_databases", "exclude_databases"):
        yield from _databases(key, databases, settings)
    scope = settings.scope
    for key in ("watch_collections", "exclude_collections", "snapshot_collections", "snapshot_filter"):
        fix = SUPERFLUOUS if key.startswith("exclude") else TO_BE_CREATED.format(what="collections")
        for pattern in getattr(settings, key):
            if not any(scope.chooses([pattern], name) for name in collections):
                yield f"{key}: {_not_there(pattern, collections, 'collection')}", fix
    yield from _fields(collections, settings)


def _databases(key: str, databases: Collection[str], settings: Settings) -> Iterator[Trouble]:
    fix = SUPERFLUOUS if key.startswith("exclude") else TO_BE_CREATED.format(what="databases")
    for pattern in getattr(settings, key):
        if not any(Scope(None, (pattern,)).has_database(name) for name in databases):
            yield f"{key}: {_not_there(pattern, databases, 'database')}", fix


def _fields(collections: Collection[str], settings: Settings) -> Iterator[Trouble]:
    """Yield the fields of collections that there are not: a field that is misspelt so is sent."""
    places = [settings.scope.place_of(name) for name in collections]
    for text in settings.exclude_fields:
        meant = [pattern for pattern, _ in readings(text, settings.scope)]
        if not any(pattern.matches(*place) for pattern in meant for place in places):
            named = _not_there(meant[-1].collection, [collection for _, collection in places], "collection")
            yield f"exclude_fields: {text!r}: {named}", TO_BE_CREATED.format(what="collections")


def _not_there(pattern: str, names: Iterable[str], kind: str) -> str:
    hint = "" if is_glob(pattern) else did_you_mean(pattern, names)
    return f"no {kind} matches {pattern!r}{f'; {hint}' if hint else ''}"
