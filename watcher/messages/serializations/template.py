"""Turns an envelope into a template for `_bson_json.c`, which makes most messages of row changes at a fraction of Python's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias, cast

from watcher.bson_elements import DOCUMENT
from watcher.messages.envelopes.layout import Envelope, Layout, Value
from watcher.messages.row_values import COLLECTION, DATABASE, OPERATION, PLACES, SEQUENCE, TIMESTAMP, Place

try:
    from watcher.messages.serializations._bson_json import fill, template

    COMPILED = True
except ImportError:
    COMPILED = False

Filled: TypeAlias = tuple[str, str, str, int, bytes, bytes]
"""Operation, database, collection, time in milliseconds since 1970, key and value of a message."""

FillTemplate: TypeAlias = Callable[[bytes, int], Filled | None]
"""Makes the parts of a message from a change event and a number; None if that is better left to Python."""

Step: TypeAlias = tuple[bytes, int]
"""A literal, and the number of the place whose value follows, or one of these."""

RETURNED = (DATABASE, COLLECTION, TIMESTAMP)
"""Values that are returned as such, too."""

NUMBER, NOTHING, END_OF_TEXT = -1, -2, -3
OUTERMOST = -1

Dumps: TypeAlias = Callable[[object], bytes]


def fast_path(envelope: Envelope, dumps: Dumps) -> FillTemplate | None:
    """Make the function that fills the envelope in C; None if C was not compiled. `dumps` writes its names and constants."""
    return cast(FillTemplate, partial(fill, template(*template_parts(envelope, dumps)))) if COMPILED else None


def template_parts(envelope: Envelope, dumps: Dumps) -> tuple[Any, ...]:
    """Return the arguments of `_bson_json.template`: places, returned values, the deciding value and the cases."""
    places = _places()
    order = list(places)
    numbers = {name: order.index((place.field, place.inner)) for name, place in PLACES.items()}
    described = (
        (order.index((field, "")) if inner else OUTERMOST, (inner or field).encode(), place.type, place.optional)
        for (field, inner), place in places.items()
    )
    cases = (
        (operation, tuple(_texts((envelope.key, value), {**numbers, SEQUENCE: NUMBER}, dumps)))
        for operation, value in envelope.values.items()
    )
    return tuple(described), tuple(numbers[name] for name in RETURNED), numbers[OPERATION], tuple(cases)


def _places() -> dict[tuple[str, str], Place]:
    """Return all places by field and inner field: first the event's own fields, then those of the documents in them."""
    parents = {(place.field, ""): Place(place.field, type=DOCUMENT) for place in PLACES.values() if place.inner}
    whole = {(place.field, ""): place for place in PLACES.values() if not place.inner}
    return parents | whole | {(place.field, place.inner): place for place in PLACES.values() if place.inner}


def _texts(layouts: Iterable[Layout], numbers: Mapping[str, int], dumps: Dumps) -> Iterator[Step]:
    for layout in layouts:
        yield from _steps(layout, numbers, dumps)
        yield b"", END_OF_TEXT


def _steps(layout: Layout, numbers: Mapping[str, int], dumps: Dumps, before: bytes = b"") -> Iterator[Step]:
    """Yield the steps that write the layout behind the literal `before`. A value without a number is never there in C."""
    if isinstance(layout, Value):
        if layout in numbers:
            yield before, numbers[layout]
    elif isinstance(layout, Mapping):
        separator = b"{"
        for name, part in layout.items():
            yield from _steps(part, numbers, dumps, before + separator + dumps(name) + b":")
            before, separator = b"", b","
        yield b"}", NOTHING
    else:
        yield before + dumps(layout), NOTHING
