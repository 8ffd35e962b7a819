"""Frozen values that are checked when they are made: the base of `Settings` and `AgentSettings`.

This is plain Python because every worker keeps its settings in memory, and a modelling library would take a large share of that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints

from watcher.config.fault import Invalid, Refused

Check = Callable[[Any], Any]
"""Returns the value in its final form. Raises `Refused`, or `Invalid` if several parts of the value are wrong."""


class Missing(Refused):
    """A required value is missing."""


class Checked:
    """Base of frozen dataclasses whose fields list their checks in order, such as `Annotated[int, whole_number, at_least(1)]`."""

    __slots__ = ()

    def __init__(self, **given: Any) -> None:
        """Check the given values. Raises `Invalid` with everything that is wrong, and TypeError for a name that is not a field."""
        checks = _checks(type(self))  # type: ignore[arg-type]  # mypy takes no class for hashable here
        if unknown := given.keys() - checks.keys():
            raise TypeError(f"no fields of {type(self).__name__}: {', '.join(sorted(unknown))}")
        completed = self._completed(given)
        values: dict[str, Any] = {}
        refusals: list[Refused] = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # all that derive from this are dataclasses
            try:
                values[field.name] = _value(field, checks[field.name], completed)
            except Refused as refused:
                refusals.append(refused.within(field.name))
            except Invalid as invalid:
                refusals.extend(refused.within(field.name) for refused in invalid.refusals)
        refusals.extend(self._contradictions(values))
        if refusals:
            raise Invalid(refusals)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def _completed(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The given values, completed with those that follow from them."""
        return given

    @classmethod
    def _contradictions(cls, good: Mapping[str, Any]) -> Iterator[Refused]:  # noqa: ARG003 - for those that have any
        """Yield a refusal for each set of values that do not go together, with its key if it is about a single one.

        `good` holds only values that have passed their own checks.
        """
        yield from ()


def in_turn(checks: Iterable[Check], value: Any) -> Any:
    """Apply the checks to `value` one after the other, each to the result of the one before, and return the last result."""
    for check in checks:
        value = check(value)
    return value


@cache
def _checks(cls: type[Checked]) -> dict[str, tuple[Check, ...]]:
    hints = get_type_hints(cls, include_extras=True)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # all that derive from Checked are dataclasses
    return {field.name: getattr(hints[field.name], "__metadata__", ()) for field in fields}


def _value(field: dataclasses.Field[Any], checks: tuple[Check, ...], given: Mapping[str, Any]) -> Any:
    if field.name in given:
        return in_turn(checks, given[field.name])
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        raise Missing("is missing")
    return field.default
