"""The records of the position topic: their keys, the position and the claim as text, and what is read back. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import orjson
from bson import json_util

from watcher.errors import PositionLost
from watcher.model import Owner, Position, token_seconds

T = TypeVar("T")

POSITION_KEY = b"position"
CLAIM_KEY = b"claim"
"""Key of a claim, which says only who the owner is. A new owner writes it first, before it has read anything."""
HISTORY_KEY = b"history"
"""Key of the last changes made by hand, which is written in their transactions; `watcher.position.history` makes the text."""

VERSION = 1


def dump(position: Position) -> bytes:
    """Write the position as JSON text; the resume token is in MongoDB Extended JSON."""
    return orjson.dumps(
        {
            "version": VERSION,
            "database": position.database,
            "sequence": position.sequence,
            "token": orjson.loads(json_util.dumps(position.token)),
            "owner": asdict(position.owner),
        }
    )


def dump_claim(owner: Owner) -> bytes:
    """Write a claim as JSON text."""
    return orjson.dumps({"version": VERSION, "owner": asdict(owner)})


def load(text: bytes) -> Position:
    """Read the position from its JSON text. Errors: PositionLost if the text is not one of ours."""
    return _load(text, _position)


def load_owner(text: bytes) -> Owner:
    """Read the owner from the JSON text of a position or a claim. Errors: PositionLost if the text is neither."""
    return _load(text, _owner)


def _load(text: bytes, part: Callable[[dict[str, Any]], T]) -> T:
    try:
        return part(json_util.loads(text))
    except Exception as error:  # json_util may raise anything
        raise PositionLost(
            f"The saved position cannot be read ({type(error).__name__}: {error}): {text[:120]!r}",
            hint="Something else has written to the position topic. `watcherctl position` sets it anew: set, rewind or reset.",
        ) from error


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


@dataclass(frozen=True, slots=True)
class Saved:
    """Content of the position topic: the last position, None if there is none, and the last owner to write or claim.

    `emptied`: there is no position, and Kafka has deleted the topic's beginning.
    """

    position: Position | None = None
    owner: Owner | None = None
    emptied: bool = False
