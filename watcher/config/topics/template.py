"""Checking the topic templates in the settings. They may hold `{database}`, `{collection}` and `{operation}`."""

from __future__ import annotations

import re
from collections.abc import Collection
from string import Formatter

from watcher.config.fault import Refused, did_you_mean

PLACEHOLDERS = ("database", "collection", "operation")
LONGEST_TOPIC = 249

_ILLEGAL = re.compile(r"[^A-Za-z0-9._-]")


def check_topic(template: str, allowed: Collection[str] = PLACEHOLDERS) -> str:
    """Return `template` unchanged. Raises `Refused` if it cannot give a valid Kafka topic."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise Refused(f"has a brace without its partner: '{template}'", hint=_placeholder_hint(allowed)) from None
    for literal, field, spec, conversion in parts:
        _check_legal(literal)
        if field is not None and (field not in allowed or spec or conversion):
            raise Refused(
                f"has an unknown placeholder {{{field}}}", hint=did_you_mean(field, allowed) or _placeholder_hint(allowed)
            )
    _check_length("".join(literal for literal, *_ in parts))
    if template in ("", ".", ".."):
        raise Refused(f"is not a topic name: '{template}'")
    return template


def _placeholder_hint(allowed: Collection[str]) -> str:
    return f"it may hold {', '.join(f'{{{name}}}' for name in allowed)}"


def _check_legal(literal: str) -> None:
    if illegal := _ILLEGAL.search(literal):
        raise Refused(f"has a character that Kafka does not allow in topics: {illegal[0]!r}", hint="allowed are A-Z a-z 0-9 . _ -")


def _check_length(name: str) -> None:
    if len(name) > LONGEST_TOPIC:
        raise Refused(f"is {len(name)} characters long; a Kafka topic has at most {LONGEST_TOPIC}")
