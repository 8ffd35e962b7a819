"""Selection of the collections to watch, by name or shell glob."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from watcher.config.fault import Refused

SYSTEM = "system."

ENCRYPTION = "enxcol_."
"""Prefix of the collections that MongoDB keeps for queryable encryption, such as `enxcol_.users.esc`."""

TEMPORARY = (
    r"tmp\.(?P<aggregation>agg_out|mr)\..*|tmp[A-Za-z0-9]{5}\.(?P<command>renameCollection|convertToCapped|create|rename)(?:\..*)?"
)
"""Names of the temporary collections that MongoDB fills and then renames. The regular expression works in Python and in MongoDB.
`$out` and mapReduce use a UUID or a number for each run (`DocumentSourceOut` in MongoDB's source), commands use five random
characters (`makeUniqueCollectionName`)."""

_TEMPORARY = re.compile(TEMPORARY, re.DOTALL)


def split_list(value: object) -> object:
    """Return the words of a list or of comma-separated text. Anything else is returned unchanged; the type check refuses it.

    Blanks around a comma do not belong to a word. In a list each word is literal: MongoDB allows blanks at the ends of a name.
    """
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",")]
    return tuple(word for word in value if word != "") if isinstance(value, (list, tuple)) else value


def check_pattern(pattern: str) -> str:
    """Return `pattern` unchanged. Raises `Refused` if no collection can match it."""
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
    """True if `pattern` is a glob, not a plain name."""
    return any(character in pattern for character in "*?[")


def check_watchable(pattern: str) -> str:
    """Return `pattern` unchanged. Raises `Refused` for MongoDB's own collections, which are never watched."""
    if pattern.startswith(SYSTEM):
        raise Refused(f"names '{pattern}': MongoDB's own collections are never watched", hint="remove it")
    return pattern


def lasting_name(collection: str) -> str:
    """The part of the name that is the same in every run: `tmp.agg_out` or the like for a temporary collection, else all of it."""
    match = _TEMPORARY.fullmatch(collection)
    return f"tmp.{match['aggregation'] or match['command']}" if match else collection


def is_watched(collection: str, watch: Iterable[str], exclude: Iterable[str]) -> bool:
    """True if the patterns select `collection`.

    An empty `watch` selects all collections, and `exclude` wins over `watch`. `system.*` is never watched. The collections of
    ENCRYPTION are watched only if a pattern names them.
    """
    watch = tuple(watch)
    if collection.startswith(SYSTEM) or _matches(collection, (*exclude, *unmeant(watch))):
        return False
    return not watch or _matches(collection, watch)


def unmeant(watch: Iterable[str]) -> tuple[str, ...]:
    """A glob for ENCRYPTION if `watch` selects those collections without naming them: it is empty, or has a glob such as `*`."""
    watch = tuple(watch)
    named = any(pattern.startswith(ENCRYPTION) for pattern in watch)
    selected = not watch or any(map(is_glob, watch))
    return (f"{ENCRYPTION}*",) if selected and not named else ()


def _matches(collection: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(collection, pattern) for pattern in patterns)
