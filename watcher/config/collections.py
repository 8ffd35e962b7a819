"""Which collections a watcher is to watch: names and shell globs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from watcher.config.fault import Refused

SYSTEM = "system."

ENCRYPTION = "enxcol_."
"""How the collections begin in which MongoDB keeps what queryable encryption needs, such as `enxcol_.users.esc`."""

TEMPORARY = (
    r"tmp\.(?P<aggregation>agg_out|mr)\..*|tmp[A-Za-z0-9]{5}\.(?P<command>renameCollection|convertToCapped|create|rename)(?:\..*)?"
)
"""A regular expression, for Python's engine and MongoDB's: how MongoDB names the collections that it fills before it renames them.
`$out` and mapReduce have a UUID or a number for each run (its `DocumentSourceOut`), commands five characters at random
(`makeUniqueCollectionName`)."""

_TEMPORARY = re.compile(TEMPORARY, re.DOTALL)


def split_list(value: object) -> object:
    """A list of words from a list or from comma separated text; anything else as it is, for the type check to refuse.

    Blanks around a comma are no part of a word. In a list each word is literal: MongoDB takes blanks at the ends of a name.
    """
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",")]
    return tuple(word for word in value if word != "") if isinstance(value, (list, tuple)) else value


def check_pattern(pattern: str) -> str:
    """`pattern` as it is; raises `Refused` when no collection can match it."""
    if pattern.startswith("!"):
        raise Refused(f"has '{pattern}', which no collection matches", hint="what not to watch goes into exclude_collections")
    if "$" in pattern:
        raise Refused(f"has a name that MongoDB does not allow: {pattern!r}")
    if pattern.startswith("."):
        hint = "globs are no regular expressions: * alone is all" if is_glob(pattern) else ""
        raise Refused(f"has '{pattern}', and MongoDB allows no name that begins with a dot", hint=hint)
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
    """Whether the patterns select `collection`: nothing to watch means all, `exclude` wins, `system.*` never.

    ENCRYPTION has to be named."""
    watch = tuple(watch)
    if collection.startswith(SYSTEM) or _matches(collection, (*exclude, *unmeant(watch))):
        return False
    return not watch or _matches(collection, watch)


def unmeant(watch: Iterable[str]) -> tuple[str, ...]:
    """A glob for ENCRYPTION, where `watch` selects it without naming it: by being empty, or by a glob such as `*`."""
    watch = tuple(watch)
    named = any(pattern.startswith(ENCRYPTION) for pattern in watch)
    selected = not watch or any(map(is_glob, watch))
    return (f"{ENCRYPTION}*",) if selected and not named else ()


def _matches(collection: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(collection, pattern) for pattern in patterns)
