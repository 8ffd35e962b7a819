"""The layout of a message's key or value: an object, a value of the row change, or a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias


class Value(str):
    """The name of one of the row change's values, in whose place it stands."""

    __slots__ = ()


Layout: TypeAlias = "Value | Mapping[str, Layout] | str | int | None"
"""An object's fields are written in order, those without a value not at all. Its first field always has one."""


class Envelope(NamedTuple):
    """The layout of a message's key, and those of the message's value by operation. They cover all row operations."""

    key: Layout
    values: Mapping[str, Layout]


Fill: TypeAlias = Callable[[Any], Any]
"""Puts a row change's values, a mapping, into a layout."""


def filling(layout: Layout) -> Fill:
    """Make the function that fills the layout. It raises KeyError if the layout is a value that is absent."""
    if isinstance(layout, Value):
        return itemgetter(str(layout))
    if isinstance(layout, Mapping):
        return _filling_object(layout)
    return lambda _: layout


def _filling_object(layout: Mapping[str, Layout]) -> Fill:
    # Each part is the name of a value, as plain str, which dicts find far faster than a subclass of it; or else a function.
    parts = [(name, str(part), None) if isinstance(part, Value) else (name, None, filling(part)) for name, part in layout.items()]

    def fill(values: Mapping[str | None, Any]) -> dict[str, Any]:
        filled = {}
        for name, value, fill_part in parts:
            if value in values:
                filled[name] = values[value]
            elif fill_part:
                filled[name] = fill_part(values)
        return filled

    return fill
