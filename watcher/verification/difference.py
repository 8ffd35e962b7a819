"""Where two JSON values differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson

MOST = 5
LONGEST = 120
NOTHING = object()
"""Instead of a value: there is no such field."""


class Difference(NamedTuple):
    """One place; the values as JSON text, shortened when they are long, None where there is none."""

    path: str
    left: str | None
    right: str | None

    def as_json(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {"path": self.path, "left": self.left, "right": self.right}


def changes(left: Any, right: Any) -> tuple[Difference, ...]:
    """The first few places where they differ; of two that differ in the order of their fields alone, that."""
    found = tuple(islice(_walk("", left, right), MOST))
    if not found and orjson.dumps(left) != orjson.dumps(right):
        return (Difference("", "the same fields", "in another order"),)
    return found


def is_same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, whatever the order of fields; 5 and 5.0 are not."""
    return next(_walk("", left, right), None) is None


def at_path(value: Any, path: str) -> Any:
    """What lies at a dotted path, in objects and, by number, in arrays; NOTHING if nothing does."""
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return NOTHING
    return value


def shown(value: Any) -> str | None:
    """A value as JSON text of a bearable length."""
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
