"""Checks of `watch_databases` and `exclude_databases`, and of what else names databases in a scope of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from watcher.config.fault import Refused, did_you_mean
from watcher.config.mongodb.collections import is_glob
from watcher.config.mongodb.scope import ALL, WITHOUT_CHANGE_STREAM, Scope
from watcher.config.mongodb.uri import EXAMPLE, LONGEST_DATABASE_NAME, NOT_IN_DATABASE_NAMES, MongodbUri

SCOPE_KEYS = ("watch_databases", "exclude_databases", "watch_collections", "exclude_collections")
"""The settings that choose databases and collections."""

UNKNOWN_DATABASE = "\0"
"""A name that no database can have. A fault found with it is a fault with any database."""


def scope_of(good: Mapping[str, Any], uri: MongodbUri | None) -> Scope:
    """Make the scope of the values of SCOPE_KEYS, and of the URI, as far as they are good."""
    databases, *others = (good.get(key, ()) for key in SCOPE_KEYS)
    single = None if databases else (uri and uri.database) or UNKNOWN_DATABASE
    return Scope(single, databases, *others)


def check_database(pattern: str) -> str:
    """Return the name or glob unchanged. Raises `Refused` if no database can match it."""
    if pattern.startswith("!"):
        raise Refused(f"has '{pattern}', which no database matches", hint="what not to watch goes into exclude_databases")
    if pattern.rfind("[") > pattern.rfind("]"):
        raise Refused(f"has a glob with an open bracket: '{pattern}'", hint="globs are * ? [abc] [!abc]")
    if "." in pattern:
        hint = "collections are named in watch_collections, with or without their database: tenant_*.orders"
        raise Refused(f"has '{pattern}', and no database has a dot in its name", hint=hint)
    if NOT_IN_DATABASE_NAMES.search(pattern) or (not is_glob(pattern) and len(pattern.encode()) > LONGEST_DATABASE_NAME):
        raise Refused(f"has a name that MongoDB does not allow: {pattern!r}")
    return pattern


def check_has_stream(pattern: str) -> str:
    """Return the name or glob unchanged. Raises `Refused` for MongoDB's own databases."""
    if pattern in WITHOUT_CHANGE_STREAM:
        raise Refused(f"names '{pattern}', and MongoDB has no change stream for that database", hint="remove it")
    return pattern


def scope_refusals(good: Mapping[str, Any], uri: MongodbUri | None) -> Iterator[Refused]:
    """Yield a refusal for each setting that does not go with the databases to watch. `good` holds the values that are good
    themselves; `uri` is None if the URI is not."""
    watch, exclude = good.get("watch_databases", ()), good.get("exclude_databases", ())
    if not watch:
        if uri and not uri.database and "watch_databases" in good:
            hint = f"put the database to watch in its path: {EXAMPLE}; for several, set watch_databases"
            yield Refused("names no database", hint=hint, key="mongodb_uri")
        if exclude and "watch_databases" in good:
            hint = f'watch_databases = ["{ALL}"] watches all the others'
            yield Refused("is set without watch_databases", hint=hint, key="exclude_databases")
        return
    if uri and uri.database:
        hint = f"for several databases leave the path empty: mongodb://host:27017/?authSource={uri.database} keeps its login"
        yield Refused(f"is set, but mongodb_uri names the database '{uri.database}'", hint=hint, key="watch_databases")
    if not Scope(None, watch, exclude).may_have_any():
        yield Refused("leaves no database to watch", hint="shorten it", key="exclude_databases")
    if "{database}" in good.get("kafka_topic_control", ""):
        text = "cannot hold {database} with watch_databases: control messages are also about all databases together"
        yield Refused(text, hint="give it one name; each message names its database", key="kafka_topic_control")


def out_of_scope(good: Mapping[str, Any], scope: Scope) -> Iterator[Refused]:
    """Yield a refusal for each name or glob of collections whose database is not in a scope of several."""
    for key in ("watch_collections", "exclude_collections") if scope.is_shared else ():
        for text in good.get(key, ()):
            if refused := misplaced(text, scope):
                yield refused.within(key)


def misplaced(text: str, scope: Scope) -> Refused | None:
    """Return the refusal of a name or glob of collections whose database is not in a scope of several; None if it is."""
    database, collection = scope.pattern_of(text)
    if not scope.may_have_database(database):
        other = f"a dot ends the name of a database; a collection of this name in all of them is '{ALL}.{text}'"
        hint = did_you_mean(database, scope.databases) or other
        return Refused(f"has '{text}', but no database '{database}' is watched", hint=hint)
    if not collection:
        return Refused(f"has '{text}', which names no collection", hint=f"'{database}.{ALL}' is all its collections")
    return None
