"""Fields that must not leave MongoDB, written as `<collection>.<path>`. The collection is a name or a glob.

In a scope of several databases a database may stand before that, as in `tenant_*.orders.phone`. What can be read both ways is left
out both ways: a field too many is missed, one too few is known to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from watcher.config.fault import Refused, did_you_mean
from watcher.config.mongodb.collections import check_pattern, is_glob, is_watched
from watcher.config.mongodb.scope import ALL, UP_TO_DOT, Pattern, Scope

_POSITION = re.compile(r"^(?:[0-9]+|\$|\*)$|\$?\[[^\]]*\]$")
"""Notations for an array's elements that people know from elsewhere: `0`, `$`, `*`, `$[]`, `$[item]`, `[0]`."""


class ExcludedField(NamedTuple):
    """A field of the collections that match `collection`. `path` holds the names that lead to it."""

    collection: str
    path: tuple[str, ...]


def split_field(text: str) -> ExcludedField:
    """Split `users.contacts.phone` into the collection `users` and the path `contacts`, `phone`.

    Raises `Refused` if `text` does not name a field.
    """
    rest = UP_TO_DOT.sub("", text, count=1)
    collection = text.removesuffix(rest)
    if not rest:
        raise Refused(f"has '{text}', which names no field", hint=f"write <collection>.<field>; did you mean '*.{text}'?")
    path = tuple(rest[1:].split("."))
    if not collection or "" in path:
        raise Refused(f"has '{text}', with an empty name in it", hint="write <collection>.<field>.<field>")
    _check_path(text, collection, path)
    return ExcludedField(check_pattern(collection), path)


def readings(text: str, scope: Scope) -> Iterator[tuple[Pattern, tuple[str, ...]]]:
    """Yield the collections that a text can mean in this scope, each with the path of the field. Raises `Refused`."""
    collection, path = split_field(text)
    yield Pattern(ALL, collection), path
    if scope.is_shared and len(path) > 1 and scope.may_have_database(collection):
        named = split_field(text.removeprefix(f"{collection}."))
        yield Pattern(collection, named.collection), named.path


def fields_in(database: str, texts: Iterable[str], scope: Scope) -> tuple[str, ...]:
    """Return the fields to leave out in one database of a scope, each as `<collection>.<path>`."""
    every = (reading for text in texts for reading in readings(text, scope))
    own = (".".join([pattern.collection, *path]) for pattern, path in every if fnmatchcase(database, pattern.database))
    return tuple(dict.fromkeys(own))


def check_field(text: str) -> str:
    """Return `text` unchanged. Raises `Refused` if it does not name a field that can be excluded."""
    split_field(text)
    return text


def out_of_reach(texts: Iterable[str], scope: Scope) -> Iterator[Refused]:
    """Yield a refusal for each field that would not be excluded, because its collection is probably misspelt."""
    if scope.is_shared:
        yield from _out_of_scope(texts, scope)
        return
    database, watch = scope.single, scope.watch_collections
    for text in texts:
        collection = split_field(text).collection
        if is_glob(collection) or (watch and is_watched(collection, watch, ())):
            continue
        if collection == database:
            hint = f"did you mean '{text.removeprefix(f'{database}.')}'?"
            yield Refused(f"has '{text}', which begins with the database instead of a collection", hint=hint)
        elif hint := did_you_mean(collection, watch):
            yield Refused(f"has '{text}', but '{collection}' is not watched", hint=hint)


def _out_of_scope(texts: Iterable[str], scope: Scope) -> Iterator[Refused]:
    for text in texts:
        first, path = split_field(text)
        named = first in scope.databases or (not is_glob(first) and scope.has_database(first))
        try:
            patterns = [pattern for pattern, _ in readings(text, scope)]
        except Refused as refused:
            yield refused
            continue
        if first != ALL and named and len(path) == 1:
            hint = f"of the collection '{first}' in every database it is '{ALL}.{text}'"
            yield Refused(f"has '{text}', which names a database and no field", hint=hint)
        elif not any(scope.may_watch(".".join(pattern)) for pattern in patterns):
            yield Refused(f"has '{text}', and no collection that it can mean is watched", hint=_meant(first, scope))


def _meant(first: str, scope: Scope) -> str:
    known = [*scope.databases, *(scope.pattern_of(text).collection for text in scope.watch_collections)]
    return did_you_mean(first, known) or "write <collection>.<field>, or <database>.<collection>.<field>"


def _check_path(text: str, collection: str, path: tuple[str, ...]) -> None:
    if path[0] == "_id":
        raise Refused(f"has '{text}', but _id cannot be excluded: it is the message's key")
    searched = [name for part in path if (name := _POSITION.sub("", part))]
    if searched != list(path):
        hint = f"did you mean '{'.'.join([collection, *searched])}'? all elements of an array are searched" if searched else ""
        raise Refused(f"has '{text}', but a path holds nothing but names of fields", hint=hint)
    for part in path:
        if part.startswith("$") or "*" in part:
            raise Refused(f"has {text!r}, but no field can be named {part!r} here", hint="globs are for the collection alone")
