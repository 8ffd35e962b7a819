"""0.1.0's own functions for reading the position topic (watcher/stream/position.py, position_history.py), unchanged.

A position goes both ways between the releases, so this must go on reading what is written today.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bson import json_util

T = TypeVar("T")
ResumeToken = Mapping[str, Any]
VERSION = 1


class PositionLost(Exception):
    """The position cannot be used."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker that last wrote a position."""

    instance: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Position:
    """Point to which a watcher has come."""

    database: str
    owner: Owner
    token: ResumeToken | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class PositionChange:
    """One change by hand."""

    at: str
    by: str
    what: str
    before: ResumeToken | None
    after: ResumeToken


def load(text: bytes) -> Position:
    """The position from its JSON text. Errors: PositionLost when it is none of ours."""
    return _load(text, _position)


def load_owner(text: bytes) -> Owner:
    """The owner from the JSON text of a position or a claim. Errors: PositionLost when it is neither."""
    return _load(text, _owner)


def load_history(text: bytes | None) -> tuple[PositionChange, ...]:
    """The changes from their text; none if it is missing, or none of ours: a history must not be in the way of a repair."""
    with contextlib.suppress(Exception):  # json_util raises whatever it stumbles over
        data = json_util.loads(text or b"")
        if data["version"] == VERSION:
            return tuple(map(_change, data["changes"]))
    return ()


def token_seconds(token: ResumeToken) -> int:
    """The cluster time in a resume token."""
    return int(token["_data"][2:10], 16)


def _load(text: bytes, part: Callable[[dict[str, Any]], T]) -> T:
    try:
        return part(json_util.loads(text))
    except Exception as error:  # json_util raises whatever it stumbles over
        raise PositionLost(f"The saved position cannot be read ({type(error).__name__}: {error}): {text[:120]!r}") from error


def _owner(data: dict[str, Any]) -> Owner:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']}")
    return Owner(**data["owner"])


def _position(data: dict[str, Any]) -> Position:
    owner = _owner(data)
    token, sequence = data["token"], data["sequence"]
    if token is not None:
        token_seconds(token)
    if not isinstance(sequence, int) or sequence < 0:
        raise ValueError(f"sequence {sequence!r}")
    return Position(database=data["database"], owner=owner, token=token, sequence=sequence)


def _change(entry: dict[str, Any]) -> PositionChange:
    change = PositionChange(**entry)
    for token in filter(None, (change.before, change.after)):
        token_seconds(token)
    return change
