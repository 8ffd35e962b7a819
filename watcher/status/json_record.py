"""Records that are JSON objects: their fields have their own names there, in camelCase, and times are in ISO 8601.

pydantic could do the same, but every worker would keep it in memory.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, NamedTuple, Self, get_args, get_origin, get_type_hints

from watcher.log import iso


class JsonRecord:
    """Base of a dataclass that is also a JSON object."""

    __slots__ = ()

    @classmethod
    @cache
    def fields(cls) -> tuple[RecordField, ...]:
        """Return the fields, in their order."""
        hints = get_type_hints(cls, include_extras=True)
        return tuple(_field(each, hints[each.name]) for each in dataclasses.fields(cls))  # type: ignore[arg-type]  # all are dataclasses

    def as_json(self) -> dict[str, Any]:
        """Return the values by their names in JSON."""
        return {each.key: _written(getattr(self, each.name)) for each in self.fields()}

    @classmethod
    def from_json(cls, data: Any) -> Self | None:
        """Make a record of a JSON object; None if it is none, or lacks a field without a default.

        Keys that are not known are ignored, and a value of another type counts as missing.
        """
        if not isinstance(data, dict):
            return None
        values: dict[str, Any] = {}
        for name, key, _, plain, read, is_required in cls.fields():
            value = data.get(key)
            if type(value) is not plain:
                value = None if value is None else read(value)
            if value is not None:
                values[name] = value
            elif is_required:
                return None
        return cls(**values)


class RecordField(NamedTuple):
    """A field: its name, its name in JSON, and its meaning, which is the text in `Annotated[type, text]`.

    A value in JSON of the type `plain` is the field's own. `read` makes the field's value of any other, and returns None for one of
    a wrong type. Most are plain, and a call for each would take as long as all the rest of the reading.
    """

    name: str
    key: str
    meaning: str
    plain: type | None
    read: Callable[[Any], Any]
    is_required: bool


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    return value.as_json() if isinstance(value, JsonRecord) else value


def _field(field: dataclasses.Field[Any], hint: Any) -> RecordField:
    hint, *meaning = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    kind = get_args(hint)[0] if isinstance(hint, types.UnionType) else hint  # the other one is None
    read = _READERS.get(kind) or (_list_of(get_args(kind)[0]) if get_origin(kind) is tuple else kind.from_json)
    is_required = field.default is field.default_factory is dataclasses.MISSING
    plain = kind if kind in _PLAIN else None
    return RecordField(field.name, _camel_case(field.name), "".join(meaning), plain, read, is_required)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _time(value: Any) -> datetime | None:
    """Read a time with its offset from UTC; one without could not be compared with others."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    return float(value) if type(value) is int else None


def _counts(value: Any) -> dict[str, int] | None:
    return value if isinstance(value, dict) and all(type(number) is int for number in value.values()) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) and all(isinstance(text, str) for text in value) else None


def _list_of(kind: type[JsonRecord]) -> Callable[[Any], Any]:
    """Make the reader of a list of records, which leaves out what is none."""

    def read(value: Any) -> tuple[JsonRecord, ...] | None:
        return tuple(filter(None, map(kind.from_json, value))) if isinstance(value, list) else None

    return read


def _nothing(_: Any) -> None:
    """Read a value of a type that cannot be made the field's."""


_PLAIN = {bool, float, int, str}

_READERS: Mapping[Any, Callable[[Any], Any]] = {
    bool: _nothing,
    datetime: _time,
    float: _number,
    int: _nothing,
    str: _nothing,
    Mapping[str, int]: _counts,
    tuple[str, ...]: _texts,
}
"""Reader of a value by its field's type."""
