"""Frozen values that are checked when they are made: what `Settings` and `AgentSettings` have in common.

Every worker keeps its settings for good, so this is plain Python: a library of models would take a sixth of the worker's memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints

from watcher.config.fault import Invalid, Refused

Check = Callable[[Any], Any]
"""Returns a value as it is to be, or raises `Refused`, or `Invalid` for several parts of it."""


class Missing(Refused):
    """There is no value where there must be one."""


class Checked:
    """The base of frozen dataclasses whose fields list their checks: `Annotated[int, whole_number, at_least(1)]`, done in turn."""

    __slots__ = ()

    def __init__(self, **given: Any) -> None:
        """Errors: `Invalid` with all that is wrong; TypeError for what is no field."""
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
        """What was given, with what follows from it."""
        return given

    @classmethod
    def _contradictions(cls, good: Mapping[str, Any]) -> Iterator[Refused]:  # noqa: ARG003 - for those that have any
        """Which values, each of them `good`, do not go together; each refusal with the key it is about, if it is one."""
        yield from ()


def in_turn(checks: Iterable[Check], value: Any) -> Any:
    """What the last check makes of what those before it have made of `value`."""
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
