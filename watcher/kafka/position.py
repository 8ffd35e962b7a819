"""The records of the position topic: their keys, the position and the claim as text, and what is read back. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as dataclass_fields
from typing import Any, TypeVar

import orjson
from bson import json_util

from watcher.errors import PositionLost
from watcher.model import Owner, Position, Snapshot, token_seconds

T = TypeVar("T")

POSITION_KEY = b"position"
CLAIM_KEY = b"claim"
"""Key of a claim, which says only who the owner is. A new owner writes it first, before it has read anything."""
HISTORY_KEY = b"history"
"""Key of the last changes made by hand, which is written in their transactions; `watcher.position.history` makes the text."""

SNAPSHOT_KEY = b"snapshot"
"""Key of the snapshot under way, which is written with every position as long as there is one."""

ANY = object()
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
            "snapshot": position.snapshot.id if position.snapshot and not position.snapshot.is_over else None,
            **({"lastSnapshot": position.last_snapshot} if position.last_snapshot else {}),
        }
    )


def dump_claim(owner: Owner) -> bytes:
    """Write a claim as JSON text."""
    return orjson.dumps({"version": VERSION, "owner": asdict(owner)})


def dump_snapshot(snapshot: Snapshot) -> bytes:
    """Write a snapshot as JSON text. Its `last` is BSON in hexadecimal, because not every `_id` survives JSON."""
    fields = {**asdict(snapshot), "last": snapshot.last.hex(), "filters": dict(snapshot.filters)}
    return orjson.dumps({"version": VERSION, **fields})


def load(text: bytes, snapshot_text: Callable[[], bytes | None] = lambda: None) -> Position:
    """Read the position from its JSON text. If it names a snapshot, `snapshot_text` is called for that one's. A release before
    snapshots names none, and not that there is none: then the snapshot that was under way goes on.

    Errors: PositionLost if a text is not one of ours; those of `snapshot_text`.
    """
    position, named = _load(text, lambda data: (_position(data), data.get("snapshot", ANY)))
    if named is None or (found := snapshot_text()) is None:
        return position
    snapshot = _load(found, _snapshot)
    return position if snapshot.is_over or named not in (ANY, snapshot.id) else replace(position, snapshot=snapshot)


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


def _snapshot(data: dict[str, Any]) -> Snapshot:
    fields = {field.name: data[field.name] for field in dataclass_fields(Snapshot)}
    lists = {name: tuple(fields[name]) for name in ("collections", "again", "seen")}
    return Snapshot(**{**fields, **lists, "last": bytes.fromhex(fields["last"])})


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
    last = str(data.get("lastSnapshot", ""))
    return Position(database=data["database"], owner=owner, token=token, sequence=sequence, last_snapshot=last)


@dataclass(frozen=True, slots=True)
class Saved:
    """Content of the position topic: the last position, None if there is none, and the last owner to write or claim.

    `emptied`: there is no position, and Kafka has deleted the topic's beginning.
    """

    position: Position | None = None
    owner: Owner | None = None
    emptied: bool = False
