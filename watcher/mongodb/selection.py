"""Which change events a watcher wants, as the `$match` stage that lets MongoDB do the filtering."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bson.regex import Regex

from watcher.config.collections import is_glob, unmeant
from watcher.model import ResumeToken

WHOLE_DATABASE = ("dropDatabase", "invalidate")
"""Change events without a collection; without them the end of a stream would go unseen."""

BREAKS_REWRITING = {*map(chr, range(0x20)), "\x7f", "'", '"', "\\"}
"""Characters that must not stand in a regular expression: MongoDB writes it as JSON into a filter of its oplog, and fails (6.0)."""


VERSION = slice(18, 22)
"""Where a resume token's version is, in hexadecimal as all of it: behind a type of one byte and a time of eight."""

UUID_MARK = "5A1004"
"""KeyString's for the 16 bytes of a UUID, which follow."""


def match_stage(watch: Iterable[str], exclude: Iterable[str]) -> list[dict[str, Any]]:
    """The pipeline stages for names or globs to watch (none: all) and to exclude (exclude wins).

    The test is on `ns.coll` alone: MongoDB rewrites it into a filter on the oplog itself, and the database is the stream's anyway.
    A rename counts by its target too: it replaces what consumers know under that name.
    """
    exclude = (*exclude, *unmeant(watch))
    by_name, by_target = _names("ns.coll", watch, exclude), _names("to.coll", watch, exclude, present=True)
    return [{"$match": {"$or": [by_name, by_target, {"operationType": {"$in": [*WHOLE_DATABASE]}}]}}]


def after_stage(token: ResumeToken) -> dict[str, Any]:
    """The stage for the events after a resume token: as text, tokens sort in the order of the stream."""
    return {"$match": {"_id._data": {"$gt": token["_data"]}}}


def event_stage(token: ResumeToken) -> dict[str, Any]:
    """The stage for the event of a resume token alone, whatever its token is like today.

    The token's beginning tells the event from all others: its time, its place in a transaction, and the UUID of the collection.
    Not the version in between, which a server may write otherwise after an upgrade; nor the end, where a fragment has its number.
    """
    data = token["_data"]
    uuid = data.find(UUID_MARK, VERSION.stop)
    beginning = data if uuid < 0 else data[: uuid + len(UUID_MARK) + 32]
    return {"$match": {"_id._data": {"$regex": f"^{beginning[: VERSION.start]}.{{4}}{beginning[VERSION.stop :]}"}}}


def _names(field: str, watch: Iterable[str], exclude: Iterable[str], *, present: bool = False) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    if watched := [_pattern(name) for name in watch]:
        condition["$in"] = watched
    elif present:
        condition["$exists"] = True
    if excluded := [_pattern(name) for name in exclude]:
        condition["$nin"] = excluded
    return {field: condition}


def _pattern(name: str) -> str | Regex[str]:
    """A plain name as it is (an equality is the cheapest test), a glob as an anchored regular expression.

    So is a name with a brace. MongoDB makes a regular expression of an equality by itself, to filter its oplog, and does not escape
    braces there: it would look for `aa` in the place of `a{2}` (6.0).
    """
    if is_glob(name) or "{" in name:
        return Regex(f"^{glob_to_regex(name)}$", "s")
    return name


def glob_to_regex(glob: str) -> str:
    """A shell glob (`*`, `?`, `[ab]`, `[!ab]`), as fnmatch reads it, in the syntax that Python's and MongoDB's engines share."""
    parts = re.findall(r"\[!?+\]?+[^\]]*\]|.", glob, re.DOTALL)
    return "".join(_part_to_regex(part) for part in parts)


def _part_to_regex(part: str) -> str:
    if part == "*":
        return ".*"
    if part == "?":
        return "."
    return _set_to_regex(part[1:-1]) if len(part) > 1 else _escape(part)


def _escape(character: str) -> str:
    return f"\\x{ord(character):02x}" if character in BREAKS_REWRITING else re.escape(character)


def _set_to_regex(members: str) -> str:
    """`[ab]`. All is escaped: `^` means something only in regular expressions, and `[:digit:]` only in MongoDB's."""
    negated = members.startswith("!")
    spans = re.findall(r"(.)-(.)|(.)", members[negated:], re.DOTALL)
    text = "".join(f"{_escape(first)}-{_escape(last)}" if first else _escape(one) for first, last, one in spans if first <= last)
    if not text:  # an empty span, as in [z-a], is no character at all
        return "." if negated else "(?!)"
    return f"[{'^' * negated}{text}]"
