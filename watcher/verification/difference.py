"""Finds the places where two JSON values differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson

MOST = 5
LONGEST = 120
NOTHING = object()
"""Stands for the value of a field that does not exist."""


class Difference(NamedTuple):
    """One place where two values differ. The values are JSON text, shortened if long, and None if there is none."""

    path: str
    left: str | None
    right: str | None

    def as_json(self) -> dict[str, Any]:
        """The place in the form of `--json`."""
        return {"path": self.path, "left": self.left, "right": self.right}


def changes(left: Any, right: Any) -> tuple[Difference, ...]:
    """Return the first few places where the values differ. If only the order of fields differs, say that."""
    found = tuple(islice(_walk("", left, right), MOST))
    if not found and orjson.dumps(left) != orjson.dumps(right):
        return (Difference("", "the same fields", "in another order"),)
    return found


def is_same(left: Any, right: Any) -> bool:
    """True if two JSON values are equal, whatever the order of fields. 5 and 5.0 are not equal."""
    return next(_walk("", left, right), None) is None


def at_path(value: Any, path: str) -> Any:
    """Return the value at a dotted path, through objects and, by number, through arrays; NOTHING if there is none."""
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return NOTHING
    return value


def shown(value: Any) -> str | None:
    """Return a value as JSON text, cut off if it is long; None for NOTHING."""
    if value is NOTHING:
        return None
    text = orjson.dumps(value).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _walk(path: str, left: Any, right: Any) -> Iterator[Difference]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in [*left, *(name for name in right if name not in left)]:
            yield from _walk(f"{path}.{name}" if path else name, left.get(name, NOTHING), right.get(name, NOTHING))
    elif isinstance(left, list) and isinstance(right, list):
        for number in range(max(len(left), len(right))):
            yield from _walk(f"{path}.{number}" if path else str(number), _element(left, number), _element(right, number))
    elif type(left) is not type(right) or left != right:
        yield Difference(path, shown(left), shown(right))


def _element(values: list[Any], number: int) -> Any:
    return values[number] if number < len(values) else NOTHING
