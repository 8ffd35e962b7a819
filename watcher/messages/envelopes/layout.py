"""The layout of a message's key or value: an object, a value of the row change in some form, or a constant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple, TypeAlias


class Value(str):
    """The name of one of the row change's values, in whose place it stands."""

    __slots__ = ()


class InString(NamedTuple):
    """The value of this name as JSON text within a string; null if it is null or absent. `dialect` names its dialect.

    `spaced`, as of keys, puts a space after each colon, and has a text for null too. In a column the text needs no string around
    it: it is not `quoted`.
    """

    value: str
    dialect: str
    spaced: bool = False
    quoted: bool = True


class Spaced(NamedTuple):
    """The value of this name with a space after each colon and comma, as MongoDB's Java driver writes it; it is always there."""

    value: str


class Number(NamedTuple):
    """A part of the value of this name as a number, with `zeros` behind it; null if it is absent.

    Milliseconds are those of a date; the increment is that of a timestamp; an integer is the value itself.
    """

    value: str
    part: Literal["milliseconds", "increment", "integer"]
    zeros: str = ""


class Listed(NamedTuple):
    """An array, null if it is empty or absent. `renamed` holds the new names of all fields in its objects, by their old ones."""

    value: str
    renamed: Mapping[str, str] = {}


class Bare(NamedTuple):
    """The value of this name as a text by itself, such as a header's: a time, a string, or a number, which may have `all_digits`.
    If it is absent, the value named `instead` stands there, or else nothing."""

    value: str
    instead: str = ""
    all_digits: bool = False


ALL_DIGITS = 19
"""Digits of a number that sorts as text: as many as the largest one has."""


class Columns(NamedTuple):
    """Layouts one behind another, each as a JSON text that ends with a zero byte; a Value that is absent is an empty text."""

    parts: tuple[Layout, ...]


class Filled(tuple[Any, ...]):
    """Columns with their values, or ABSENT."""

    __slots__ = ()


ABSENT = object()
"""Stand-in for a value that is absent."""

Form: TypeAlias = InString | Spaced | Number | Listed
Layout: TypeAlias = "Value | Form | Columns | Mapping[str, Layout] | str | int | None"
"""An object's fields are written in order, those of a Value that is absent not at all. Its first field always has a value."""

HeaderLayout: TypeAlias = Sequence[tuple[str, Bare | bytes]]
"""The names of headers, which are ASCII, and the value of each."""

HEADER_LENGTHS = 8
"""More bytes than the lengths of a header's name and value take."""


class Envelope(NamedTuple):
    """The layout of a message's key, and those of the message's value by operation. They cover all row operations.

    A value that is null becomes a tombstone. `rows` is the envelope of a snapshot's documents, if that is another one. An operation
    in `tombstones` has a tombstone after its message. `removable` names the parts of a change that may be left out of a message
    that is too large, the most valuable last. `dialect` is the dialect of all other values, if it does not follow from settings. A
    value in `nullable` is null where the user's own stages or function have removed it; otherwise an event without it is damaged.
    """

    key: Layout
    values: Mapping[str, Layout]
    rows: Envelope | None = None
    tombstones: Collection[str] = ()
    removable: Collection[str] = ()
    dialect: str = ""
    nullable: Collection[str] = ()

    def layouts(self) -> Iterator[Layout]:
        """Yield all layouts, those of rows too."""
        yield self.key
        yield from self.values.values()
        if self.rows:
            yield from self.rows.layouts()


def parts_of(layout: Layout) -> Iterator[Value | Form]:
    """Yield all values and forms of values in a layout."""
    if isinstance(layout, Mapping):
        for part in layout.values():
            yield from parts_of(part)
    elif isinstance(layout, Columns):
        for part in layout.parts:
            yield from parts_of(part)
    elif isinstance(layout, Value | InString | Spaced | Number | Listed):
        yield layout


def name_of(part: Value | Form) -> str:
    """Return the name of the value that stands there."""
    return part if isinstance(part, Value) else part.value


Fill: TypeAlias = Callable[[Any], Any]
"""Puts a row change's values, a mapping, into a layout."""

WriteText: TypeAlias = Callable[[Any, "InString | Spaced"], Any]
"""Returns the text for one of these forms, out of a row change's values."""


def filling(layout: Layout, write_text: WriteText) -> Fill:
    """Make the function that fills the layout. It raises KeyError if the layout is a value that is absent."""
    if isinstance(layout, Value):
        return itemgetter(str(layout))
    if isinstance(layout, Mapping):
        return _filling_object(layout, write_text)
    if isinstance(layout, Columns):
        return _filling_columns(layout, write_text)
    if isinstance(layout, InString | Spaced):
        return lambda values: write_text(values, layout)
    if isinstance(layout, Number):
        return lambda values: _number(values.get(layout.value), layout)
    if isinstance(layout, Listed):
        return lambda values: _listed(values.get(layout.value), layout.renamed)
    return lambda _: layout


def _filling_object(layout: Mapping[str, Layout], write_text: WriteText) -> Fill:
    # Each part is the name of a value, as plain str, which dicts find far faster than a subclass of it; or else a function.
    parts = [
        (name, str(part), None) if isinstance(part, Value) else (name, None, filling(part, write_text))
        for name, part in layout.items()
    ]

    def fill(values: Mapping[str | None, Any]) -> dict[str, Any]:
        filled = {}
        for name, value, fill_part in parts:
            if value in values:
                filled[name] = values[value]
            elif fill_part:
                filled[name] = fill_part(values)
        return filled

    return fill


def _filling_columns(layout: Columns, write_text: WriteText) -> Fill:
    parts = [(str(part), None) if isinstance(part, Value) else (None, filling(part, write_text)) for part in layout.parts]
    return lambda values: Filled(fill_part(values) if fill_part else values.get(name, ABSENT) for name, fill_part in parts)


def _number(value: Any, form: Number) -> int | None:
    if value is None:
        return None
    number = value.inc if form.part == "increment" else value
    if isinstance(number, str):
        raise TypeError(f"{form.value} is text")
    return int(f"{int(number)}{form.zeros}")


def _listed(array: Any, renamed: Mapping[str, str]) -> Any:
    if renamed:
        return [{new: item[old] for old, new in renamed.items()} for item in array or ()] or None
    return array or None
