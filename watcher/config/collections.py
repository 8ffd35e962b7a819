"""Which collections a watcher is to watch: names and shell globs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from watcher.config.fault import Refused

SYSTEM = "system."

TEMPORARY = (
    r"tmp\.(?P<aggregation>agg_out|mr)\..*|tmp[A-Za-z0-9]{5}\.(?P<command>renameCollection|convertToCapped|create|rename)(?:\..*)?"
)
"""A regular expression, for Python's engine and MongoDB's: how MongoDB names the collections that it fills before it renames them.
`$out` and mapReduce have a UUID or a number for each run (its `DocumentSourceOut`), commands five characters at random
(`makeUniqueCollectionName`)."""

_TEMPORARY = re.compile(TEMPORARY, re.DOTALL)


def split_list(value: object) -> object:
    """A list of words from a list or from comma separated text; anything else as it is, for the type check to refuse."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)):
        return value
    words = (word.strip() if isinstance(word, str) else word for word in value)
    return tuple(word for word in words if word != "")


def check_pattern(pattern: str) -> str:
    """`pattern` as it is; raises `Refused` when no collection can match it."""
    if pattern.startswith("!"):
        raise Refused(f"has '{pattern}', which no collection matches", hint="what not to watch goes into exclude_collections")
    if "$" in pattern or "\0" in pattern:
        raise Refused(f"has a name that MongoDB does not allow: {pattern!r}")
    if pattern.rfind("[") > pattern.rfind("]"):
        raise Refused(f"has a glob with an open bracket: '{pattern}'", hint="globs are * ? [abc] [!abc]")
    return pattern


def is_glob(pattern: str) -> bool:
    """Whether `pattern` is more than a plain name."""
    return any(character in pattern for character in "*?[")


def check_watchable(pattern: str) -> str:
    """`pattern` as it is; raises `Refused` for MongoDB's own collections, which are never watched."""
    if pattern.startswith(SYSTEM):
        raise Refused(f"names '{pattern}': MongoDB's own collections are never watched", hint="remove it")
    return pattern


def lasting_name(collection: str) -> str:
    """`collection`; for a temporary one of MongoDB's its name without what is new in each run, such as `tmp.agg_out`."""
    match = _TEMPORARY.fullmatch(collection)
    return f"tmp.{match['aggregation'] or match['command']}" if match else collection


def is_watched(collection: str, watch: Iterable[str], exclude: Iterable[str]) -> bool:
    """Whether the patterns select `collection`: nothing to watch means all, `exclude` wins, `system.*` never."""
    if collection.startswith(SYSTEM) or _matches(collection, exclude):
        return False
    watch = tuple(watch)
    return not watch or _matches(collection, watch)


def _matches(collection: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(collection, pattern) for pattern in patterns)
