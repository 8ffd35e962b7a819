"""Turns an envelope into a template for `_bson_json.c`, which makes most messages of row changes at a fraction of Python's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

from watcher.bson_elements import DOCUMENT
from watcher.messages.envelopes.layout import (
    ALL_DIGITS,
    HEADER_LENGTHS,
    Bare,
    Columns,
    Envelope,
    HeaderLayout,
    InString,
    Layout,
    Listed,
    Number,
    Spaced,
    Value,
    name_of,
    parts_of,
)
from watcher.messages.row_values import COLLECTION, DATABASE, EVENT_ID, OPERATION, PLACES, SEQUENCE, SNAPSHOT, TIMESTAMP, Place

try:
    from watcher.messages.serializations._bson_json import fill, template

    COMPILED = True
except ImportError:
    COMPILED = False

TopicOf: TypeAlias = Callable[[str, str, str], tuple[str, int, bytes, bytes]]
"""Returns the topic for an operation, database and collection, the most bytes that a message for it may have, and what stands in
front of its key and of its value."""

HeadersOf: TypeAlias = Callable[[str], HeaderLayout]
"""Returns the layout of the headers that messages of an operation have."""

AvroRecord: TypeAlias = tuple[bytes, tuple[bytes, ...]]
"""The kinds of a record's columns (`avro_binary.kind_of`), and the literals before, between and behind them."""

Fill: TypeAlias = Callable[[Sequence[bytes], int, int, int, int, TopicOf], tuple[list[Any], int, bool]]
"""Makes the messages of several change events, one of each. Returns them, the bytes of their values, and whether the next message
is too large for its topic.

It takes events, the number of the first one to begin with, how many there are from there on, the number of the first message, the
bytes of values at which to end, and where the messages go. It does as many as it does at once, and ends before an event that is
better left to Python: none at all if that is the first."""

Step: TypeAlias = tuple[bytes, int, int]
"""A literal, the number of the place whose value follows, or one of these, and the form of the value."""

NUMBER, NOTHING, END_OF_TEXT = -1, -2, -3
OUTERMOST = NO_PLACE = -1

DIALECTS_IN_C = {"plain": 0, "extended": 1, "strict": 2}
"""The forms of values: the number of a dialect, to which these are added, or one of PARTS and the others."""

IN_STRING, SPACED, COMMAS = 4, 8, 128
PARTS = {"milliseconds": 16, "increment": 48, "integer": 64}
STRINGS, UNLESS_THERE, BARE = 80, 96, 112

ABOUT = (DATABASE, COLLECTION, TIMESTAMP)
"""Values by which C knows where a message goes, and its time."""

Dumps: TypeAlias = Callable[[object], bytes]


def fast_path(
    envelope: Envelope,
    dumps: Dumps,
    dialect: str,
    message_type: type[tuple[Any, ...]],
    headers_of: HeadersOf | None = None,
    records: tuple[AvroRecord, ...] = (),
) -> Fill | None:
    """Make the function that fills the envelope in C; None if C was not compiled, or does not know the dialect.

    `dumps` writes its names and constants, and `dialect` is that of its values. `message_type` is `watcher.model.Message`, whose
    fields C knows by their places. Messages have headers if `headers_of` is given. If there are `records`, keys and values are
    written as those.
    """
    if not COMPILED or dialect not in DIALECTS_IN_C:
        return None
    return cast(Fill, partial(fill, template(message_type, *template_parts(envelope, dumps, dialect, headers_of, records))))


def template_parts(
    envelope: Envelope,
    dumps: Dumps,
    dialect: str = "plain",
    headers_of: HeadersOf | None = None,
    records: tuple[AvroRecord, ...] = (),
) -> tuple[Any, ...]:
    """Return the further arguments of `_bson_json.template`: places, what decides, what a message is about, cases, records."""
    written = (name_of(part) for layout in envelope.layouts() for part in parts_of(layout))
    places = _places({OPERATION, SNAPSHOT, *ABOUT, *written, *((EVENT_ID,) if headers_of else ())})
    order = list(places)
    numbers = {name: order.index(key) for name, place in PLACES.items() if (key := (place.field, place.inner)) in places}
    described = (
        (order.index((field, "")) if inner else OUTERMOST, (inner or field).encode(), place.type, place.optional)
        for (field, inner), place in places.items()
    )
    write = _Steps({**numbers, SEQUENCE: NUMBER}, dumps, DIALECTS_IN_C[dialect], headers_of)
    rows = write.cases(envelope.rows, numbers[SNAPSHOT]) if envelope.rows else ()
    cases = (*rows, *write.cases(envelope, NO_PLACE))
    return tuple(described), numbers[OPERATION], tuple(numbers[name] for name in ABOUT), cases, records


def _places(used: set[str]) -> dict[tuple[str, str], Place]:
    """Return the places of the values by field and inner field: first the event's own fields, then those of the documents in
    them."""
    places = [place for name, place in PLACES.items() if name in used]
    whole = {(place.field, ""): place for place in places if not place.inner}
    parents = {(place.field, ""): Place(place.field, "", DOCUMENT, place.optional) for place in places if place.inner}
    return whole | parents | {(place.field, place.inner): place for place in places if place.inner}


class _Steps:
    """Writes layouts as steps. `numbers` are those of the places by the names of their values."""

    def __init__(self, numbers: Mapping[str, int], dumps: Dumps, dialect: int, headers_of: HeadersOf | None) -> None:
        self._numbers = numbers
        self._dumps = dumps
        self._dialect = dialect
        self._headers_of = headers_of

    def cases(self, envelope: Envelope, condition: int) -> Iterator[tuple[Any, ...]]:
        """Yield the envelope's cases, which apply if the place `condition` has a value. A tombstone is a message too."""
        for operation, value in envelope.values.items():
            headers = self._headers_of(operation) if self._headers_of else ()
            bare = [value for _, value in headers if isinstance(value, Bare)]
            constant = sum(len(name) + HEADER_LENGTHS + (0 if isinstance(value, Bare) else len(value)) for name, value in headers)
            listed = tuple(name if isinstance(value, Bare) else (name, value) for name, value in headers)
            steps = tuple(self._texts((envelope.key, value, *bare)))
            yield operation, condition, 1 + (operation in envelope.tombstones), steps, listed, constant

    def _texts(self, layouts: Iterable[Layout | Bare]) -> Iterator[Step]:
        for layout in layouts:
            yield from self._steps(layout)
            yield b"", END_OF_TEXT, 0

    def _steps(self, layout: Layout | Bare, before: bytes = b"") -> Iterator[Step]:
        """Yield the steps that write the layout behind the literal `before`. A value without a number is never there in C."""
        if isinstance(layout, Value):
            if layout in self._numbers:
                # The time as text and the number are the same in all dialects.
                yield before, self._numbers[layout], 0 if layout in (TIMESTAMP, SEQUENCE) else self._dialect
        elif isinstance(layout, Mapping):
            separator = b"{"
            for name, part in layout.items():
                yield from self._steps(part, before + separator + self._dumps(name) + b":")
                before, separator = b"", b","
            yield b"}", NOTHING, 0
        elif isinstance(layout, Spaced):
            yield before, self._numbers[layout.value], self._dialect | SPACED | COMMAS
        elif isinstance(layout, Bare):
            number = self._numbers[layout.value]
            yield before, number, (ALL_DIGITS if layout.all_digits else 0) if number == NUMBER else BARE
        elif isinstance(layout, Columns):
            for part in layout.parts:
                yield from self._steps(part)
                yield b"\0", NOTHING, 0
        elif isinstance(layout, InString | Number | Listed):
            number = self._numbers[layout.value]
            yield before, number, _form(layout)
            yield before + b"null", number, UNLESS_THERE
            if isinstance(layout, Number) and layout.zeros:  # only a time has them, and C needs those
                yield layout.zeros.encode(), NOTHING, 0
        else:
            yield before + self._dumps(layout), NOTHING, 0


def _form(layout: InString | Number | Listed) -> int:
    if isinstance(layout, InString):
        return DIALECTS_IN_C[layout.dialect] | (IN_STRING if layout.quoted else 0) | (SPACED if layout.spaced else 0)
    return PARTS[layout.part] if isinstance(layout, Number) else STRINGS
