"""Checks that any setting can use: for the type of a value and for the values allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from watcher.config.checked import Check, in_turn
from watcher.config.fault import Invalid, Refused, did_you_mean
from watcher.config.masking import Secret

_LONGEST_QUOTE = 60
_NUMBER_HINT = "digits alone, for example 1000"


def text(value: object) -> str:
    """Check that `value` is text."""
    if not isinstance(value, str):
        raise Refused(f"must be text{_quoted(value)}")
    return in_utf_8(value)


def property_text(value: object) -> str:
    """Return the value of a Kafka property as text, given as text, a number or a truth value."""
    if not isinstance(value, (str, int, float)):
        raise Refused("must be text, a number, true or false")
    return in_utf_8(str(value).lower() if isinstance(value, bool) else str(value))


def secret(value: object) -> Secret:
    """Like `text`, but error messages never repeat the value."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise Refused("must be text")
    return Secret(in_utf_8(value))


def in_utf_8(value: str) -> str:
    """Return `value` if MongoDB and Kafka accept it: valid UTF-8 without a NUL. Environment variables may hold other bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused("holds bytes that are not UTF-8", hint="they are in the environment variable that it is made of") from None
    if "\0" in value:
        raise Refused("holds a NUL character", hint="neither MongoDB nor Kafka takes one")
    return value


def whole_number(value: object) -> int:
    """Return a whole number, given as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Refused("must be a whole number", hint=_NUMBER_HINT)
    try:
        return int(value)
    except ValueError:
        raise Refused(f"must be a whole number, not '{value}'", hint=_NUMBER_HINT) from None


def yes_or_no(value: object) -> bool:
    """Return a truth value, given as such or as the text `true` or `false`."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise Refused("must be true or false")


def at_least(least: int) -> Check:
    """A check that allows numbers from `least` up."""

    def check(number: int) -> int:
        if number < least:
            raise Refused(f"must be at least {least}{_quoted(number)}")
        return number

    return check


def at_most(most: int) -> Check:
    """A check that allows numbers up to `most`."""

    def check(number: int) -> int:
        if number > most:
            raise Refused(f"must be at most {most}{_quoted(number)}")
        return number

    return check


def one_of(choice: Any) -> Check:
    """A check that allows the values of `choice`, a Literal."""
    choices: tuple[str, ...] = get_args(choice)

    def check(value: object) -> object:
        if value not in choices:
            raise Refused(f"must be one of {', '.join(choices)}{_quoted(value)}", hint=did_you_mean(str(value), choices))
        return value

    return check


def each(*checks: Check) -> Check:
    """A check for a list. Each item has to pass all `checks`, one after the other."""

    def check(value: object) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise Refused(f"must be a list, or names separated by commas{_quoted(value)}")
        passed, refusals = [], []
        for item in value:
            try:
                passed.append(in_turn(checks, item))
            except Refused as refused:
                refusals.append(refused)
        if refusals:
            raise Invalid(refusals)
        return tuple(passed)

    return check


def table(check_name: Check, check_value: Check) -> Check:
    """A check for a table. Each name has to pass `check_name`, which leaves it unchanged, and each value `check_value`."""

    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Refused("must be a table", hint="write its name in brackets on a line, and its entries below it")
        passed, refusals = {}, []
        for name, item in value.items():
            try:
                check_name(name)
                passed[name] = check_value(item)
            except Refused as refused:
                refusals.append(refused.within(name))
        if refusals:
            raise Invalid(refusals)
        return passed

    return check


def _quoted(value: object) -> str:
    shown = f"'{value}'" if isinstance(value, str) else str(value)
    return f", not {shown}" if len(shown) <= _LONGEST_QUOTE else ""
