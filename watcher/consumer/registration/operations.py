"""The checks that a registration can match any message."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable

from watcher.operations import OF_A_DATABASE, OPERATIONS

ANY = "*"
MATCHES_NOTHING = "(?!)"
"""Regular expression that fnmatch makes of an empty range, such as [z-a]."""


def check_selection(collection: str, operations: Iterable[str], database: str) -> None:
    """Raise TypeError or ValueError if no message could ever match."""
    _check_pattern("collection", collection)
    _check_pattern("database", database)
    for operation in operations:
        _check_operation(operation)
        if operation in OF_A_DATABASE and collection != ANY:
            raise ValueError(f'messages of "{operation}" name no collection: register it for "*", not for "{collection}"')


def _check_pattern(what: str, pattern: str) -> None:
    if not isinstance(pattern, str):
        raise TypeError(f'the {what} must be a string, as in on("users"), not {pattern!r}')
    if not pattern or "\0" in pattern or MATCHES_NOTHING in fnmatch.translate(pattern):
        raise ValueError(f'no {what} can match "{pattern}"')


def _check_operation(operation: str) -> None:
    if not isinstance(operation, str):
        raise TypeError(f'operations are strings, given one by one, such as "insert", "update"; not {operation!r}')
    if operation != ANY and operation not in OPERATIONS:
        raise ValueError(f'"{operation}" is not an operation of a watcher; {_suggestion(operation)}')


def near(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar, whatever its case; None if none is."""
    by_lower = {each.lower(): each for each in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[matches[0]] if matches else None


def _suggestion(operation: str) -> str:
    if nearest := near(operation, OPERATIONS):
        return f'did you mean "{nearest}"?'
    return f'there are {", ".join(OPERATIONS)}; "{ANY}" takes those of later versions too'
