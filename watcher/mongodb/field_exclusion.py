"""Removal of excluded fields inside the server, so that they never leave MongoDB: from change events, and from documents.

From a document that is read from its collection, `fields_of` says what to remove. Change events need pipeline stages.

The server's own `$unset` removes the fields: it follows a path through arrays and arrays of arrays, to any depth. Two things are
needed around it. `$unset` takes no condition, so the events of the collection concerned are first lifted into a field that no other
event has. And the names in `updatedFields` are paths, so its entries are sorted first: an entry inside an excluded field is dropped
at once, and an entry that may hold one is put under a name of its own, below which `$unset` removes the rest of the path.

Only `$replaceWith` and `$unset` are used, which MongoDB has had since 4.2. Names of fields are never matched with regular
expressions: one name that is not valid UTF-8 would end the stream (error 51156).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from watcher.config.mongodb.collections import TEMPORARY, is_glob
from watcher.config.mongodb.fields import readings, split_field
from watcher.config.mongodb.scope import ALL, Pattern, Scope
from watcher.mongodb.selection import glob_to_regex

Path = tuple[str, ...]
Expression = Mapping[str, Any]

LIFTED = "excluding"
ENTRIES = "updatedEntries"
"""Places of an event and its updated fields while fields are removed. No change event has fields with these names."""

DOCUMENTS = ("fullDocument", "fullDocumentBeforeChange")
DIGITS = "0123456789"


def exclusion_stages(exclude_fields: Iterable[str], scope: Scope) -> list[dict[str, Any]]:
    """Make the stages that follow `$changeStream`, for fields as named in `exclude_fields`; none if there are no fields."""
    paths: dict[Pattern, set[Path]] = {}
    for collections, path in (reading for text in exclude_fields for reading in readings(text, scope)):
        paths.setdefault(collections, set()).add(path)
    return [stage for collections, chosen in paths.items() for stage in _stages(collections, _outermost(chosen))]


def fields_of(exclude_fields: Iterable[str], collection: str) -> list[str]:
    """Return the fields to remove from the documents of a collection, as `$unset` takes them; `exclusion_stages` removes the same
    from its events. The fields are named as in one database."""
    paths = {path for pattern, path in map(split_field, exclude_fields) if _concerns(pattern, collection)}
    return [".".join(path) for path in _outermost(paths)]


def _concerns(pattern: str, collection: str) -> bool:
    """True if the pattern means the collection: the local form of `_is_in`."""
    return any(re.fullmatch(regex, collection, re.DOTALL) for regex in (glob_to_regex(pattern), TEMPORARY))


def _outermost(paths: set[Path]) -> list[Path]:
    """The paths that lie inside no other path; `$unset` refuses paths that do."""
    return sorted(path for path in paths if paths.isdisjoint(path[:length] for length in range(1, len(path))))


def _stages(collections: Pattern, paths: list[Path]) -> Iterator[dict[str, Any]]:
    parents = sorted({path[:length] for path in paths for length in range(1, len(path))})
    lifted = {LIFTED: "$$ROOT", ENTRIES: _sorted_entries(paths, parents)}
    yield {"$replaceWith": {"$cond": [_is_in(collections), lifted, "$$ROOT"]}}
    yield {"$unset": [*_in_documents(paths), *_in_entries(paths, parents)]}
    yield {"$replaceWith": {"$cond": [{"$eq": [{"$type": f"${LIFTED}"}, "missing"]}, "$$ROOT", _lowered()]}}


def _is_in(collections: Pattern) -> Expression:
    """Make the test for an event about the collection, or one that the glob matches, or a temporary one that may yet get the
    name."""
    of_collection = {"$or": [_is_named("$ns.coll", collections.collection), _matches("$ns.coll", TEMPORARY)]}
    if collections.database == ALL:
        return of_collection
    return {"$and": [_is_named("$ns.db", collections.database), of_collection]}


def _is_named(field: str, pattern: str) -> Expression:
    return _matches(field, glob_to_regex(pattern)) if is_glob(pattern) else {"$eq": [field, pattern]}


def _matches(field: str, regex: str) -> Expression:
    return {"$regexMatch": {"input": field, "regex": f"^(?:{regex})$", "options": "s"}}


def _in_documents(paths: list[Path]) -> Iterator[str]:
    for document in DOCUMENTS:
        yield from (".".join([LIFTED, document, *path]) for path in paths)


def _in_entries(paths: list[Path], parents: list[Path]) -> Iterator[str]:
    for parent in parents:
        depth = len(parent)
        yield from (".".join([ENTRIES, _under(parents, parent), *path[depth:]]) for path in paths if path[:depth] == parent)


def _under(parents: list[Path], parent: Path) -> str:
    """The name that holds the values of entries that set `parent`."""
    return f"under{parents.index(parent)}"


def _sorted_entries(paths: list[Path], parents: list[Path]) -> Expression:
    """The entries of `updatedFields` that may stay, as `{k, v}` or `{k, under…}`; null if there is no `updatedFields`."""
    # Most entries have nothing to do with any path; their first name shows it at once.
    concerned = {"$in": [{"$arrayElemAt": ["$$parts", 0]}, sorted({path[0] for path in paths})]}
    either = {"$cond": [concerned, _sorted_entry(paths, parents), "$$entry"]}
    entry = {"$let": {"vars": {"parts": {"$split": ["$$entry.k", "."]}}, "in": either}}
    entries = {"$map": {"input": {"$objectToArray": "$updateDescription.updatedFields"}, "as": "entry", "in": entry}}
    return {"$filter": {"input": entries, "as": "entry", "cond": {"$ne": ["$$entry", None]}}}


def _sorted_entry(paths: list[Path], parents: list[Path]) -> Expression:
    """One entry: null if it lies inside an excluded field, with its value under another name if it may hold such a field."""
    inside = [{"$eq": [{"$slice": ["$$names", len(path)]}, path]} for path in paths]
    branches: list[Expression] = [{"case": {"$or": inside}, "then": None}]
    for parent in parents:
        kept = {"k": "$$entry.k", _under(parents, parent): "$$entry.v"}
        branches.append({"case": {"$eq": ["$$names", parent]}, "then": kept})
    return {"$let": {"vars": {"names": _names("$$parts")}, "in": {"$switch": {"branches": branches, "default": "$$entry"}}}}


def _names(parts: str) -> Expression:
    """The field names among the parts of a path such as `contacts.0.phone`, without the positions in arrays."""
    is_name = {"$or": [{"$eq": ["$$part", ""]}, {"$ne": [{"$trim": {"input": "$$part", "chars": DIGITS}}, ""]}]}
    return {"$filter": {"input": parts, "as": "part", "cond": is_name}}


def _lowered() -> Expression:
    """The event in its old place, with the remaining `updatedFields`. `$mergeObjects` keeps the order of the fields."""
    updated = {"updatedFields": {"$arrayToObject": {"$map": {"input": f"${ENTRIES}", "as": "entry", "in": _key_and_value()}}}}
    description = {"$mergeObjects": [f"${LIFTED}.updateDescription", updated]}
    changed = {"updateDescription": {"$cond": [{"$isArray": f"${ENTRIES}"}, description, "$$REMOVE"]}}
    return {"$mergeObjects": [f"${LIFTED}", changed]}


def _key_and_value() -> Expression:
    """An entry with its value back at `v`. Whatever its name, the value is the second of the entry's two fields."""
    second = {"$arrayElemAt": [{"$objectToArray": "$$entry"}, 1]}
    restored = {"$let": {"vars": {"second": second}, "in": {"k": "$$entry.k", "v": "$$second.v"}}}
    return {"$cond": [{"$eq": [{"$type": "$$entry.v"}, "missing"]}, restored, "$$entry"]}
