"""The records of the position topic: their keys, the position and the claim as text, and what is read back. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from datetime import datetime
from typing import Any, TypeVar

import orjson
from bson import json_util

from watcher.errors import PositionLost
from watcher.model import Delivered, Owner, Position, Snapshot, token_seconds

T = TypeVar("T")

POSITION_KEY = b"position"
CLAIM_KEY = b"claim"
"""Key of a claim, which says only who the owner is. A new owner writes it first, before it has read anything."""
HISTORY_KEY = b"history"
"""Key of the last changes made by hand, which is written in their transactions; `watcher.position.history` makes the text."""

SNAPSHOT_KEY = b"snapshot"
"""Key of the snapshot under way, which is written with every position as long as there is one."""
SETTINGS_KEY = b"settings"
"""Key of the settings of the worker that has the lease, without secrets. They are written with its claim."""

ANY = object()
VERSION = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A command of watcherctl that takes a watcher over for one change. `id` is random, `what` says to people what it does."""

    id: str
    what: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """Statement of each record about its writer.

    `live`: the worker goes on by itself after a command; a command says it for the worker that it has displaced. `wait_seconds` is
    for how long the claim of a `command` is to be left alone; after a position there is nothing to wait for. `delivered` is what
    the writer knew of earlier messages. `active_since` (ISO 8601, by its own clock) is when a worker that has a lease became the
    active one; None says that it has none.
    """

    owner: Owner
    live: bool = True
    command: Command | None = None
    wait_seconds: float = 0.0
    delivered: Delivered = field(default_factory=Delivered)
    active_since: str | None = None


def dump(position: Position, *, live: bool = True, command: Command | None = None, active_since: str | None = None) -> bytes:
    """Write the position as JSON text; the resume token is in MongoDB Extended JSON. The other arguments are those of a Stamp."""
    return orjson.dumps(
        {
            "version": VERSION,
            "database": position.database,
            "sequence": position.sequence,
            "token": orjson.loads(json_util.dumps(position.token)),
            "owner": asdict(position.owner),
            "snapshot": position.snapshot.id if position.snapshot and not position.snapshot.is_over else None,
            **_signs(live, command, position.last_gap_at, active_since),
            **({"lastSnapshot": position.last_snapshot} if position.last_snapshot else {}),
        }
    )


def dump_claim(stamp: Stamp) -> bytes:
    """Write a claim as JSON text."""
    delivered = {"delivered": True} if stamp.delivered.any else {}
    waits = {"waitSeconds": stamp.wait_seconds} if stamp.command else {}
    signs = _signs(stamp.live, stamp.command, stamp.delivered.last_gap_at, stamp.active_since)
    return orjson.dumps({"version": VERSION, "owner": asdict(stamp.owner), **signs, **delivered, **waits})


def _signs(live: bool, command: Command | None, last_gap_at: str | None, active_since: str | None) -> dict[str, Any]:
    """Make the keys that 0.1.0 does not know. They stand beside `owner`, in which it would take them for garbage."""
    return {
        **({"live": 1} if live else {}),
        **({"lastGapAt": last_gap_at} if last_gap_at else {}),
        **({"activeSince": active_since} if active_since else {}),
        **({"by": "command", **asdict(command)} if command else {}),
    }


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
    snapshot = load_snapshot(found)
    return position if snapshot.is_over or named not in (ANY, snapshot.id) else replace(position, snapshot=snapshot)


def load_snapshot(text: bytes) -> Snapshot:
    """Read a snapshot from its JSON text. Errors: PositionLost if the text is not one of ours."""
    return _load(text, _snapshot)


def newest_snapshot_of(position: Position | None, text: bytes | None) -> Snapshot | None:
    """Return the position's snapshot, or else the one that `text` tells of, which has ended; None if no text can be read.

    One that never ended, though the position does not name it, was lost together with a position before: it is aborted.
    """
    if position and position.snapshot:
        return position.snapshot
    last = readable_snapshot(text)
    return last if last is None or last.is_over else replace(last, state="aborted")


def readable_snapshot(text: bytes | None) -> Snapshot | None:
    """Read a snapshot from its JSON text; None if there is no text, or it is not one of ours."""
    with contextlib.suppress(PositionLost):
        return load_snapshot(text) if text else None
    return None


def load_stamp(text: bytes) -> Stamp:
    """Read from the JSON text of a position or a claim who wrote it. Errors: PositionLost if the text is neither."""
    return _load(text, _stamp)


def _load(text: bytes, part: Callable[[dict[str, Any]], T]) -> T:
    try:
        return part(json_util.loads(text))
    except Exception as error:  # json_util may raise anything
        raise PositionLost(
            f"The saved position cannot be read ({type(error).__name__}: {error}): {text[:120]!r}",
            hint="Something else has written to the position topic. `watcherctl position` sets it anew: set, rewind or reset.",
        ) from error


def _snapshot(data: dict[str, Any]) -> Snapshot:
    fields = {each.name: data[each.name] for each in dataclass_fields(Snapshot)}
    lists = {name: tuple(fields[name]) for name in ("collections", "again", "seen")}
    return Snapshot(**{**fields, **lists, "last": bytes.fromhex(fields["last"])})


def _stamp(data: dict[str, Any]) -> Stamp:
    command = Command(str(data["id"]), str(data["what"])) if data.get("by") == "command" else None
    last_gap_at, active_since = _time(data, "lastGapAt"), _time(data, "activeSince")
    delivered = Delivered(any="token" in data or "delivered" in data, sequence=data.get("sequence", 0), last_gap_at=last_gap_at)
    return Stamp(_owner(data), "live" in data, command, float(data.get("waitSeconds", 0)), delivered, active_since)


def _owner(data: dict[str, Any]) -> Owner:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']}")
    return Owner(**data["owner"])


def _time(data: dict[str, Any], key: str) -> str | None:
    """Return a time as it is written; None if it is not one."""
    written: str | None = data.get(key)
    with contextlib.suppress(TypeError, ValueError):
        datetime.fromisoformat(written or "")
        return written
    return None


def _position(data: dict[str, Any]) -> Position:
    owner = _owner(data)
    token, sequence = data["token"], data["sequence"]
    if token is not None:
        token_seconds(token)
    if not isinstance(sequence, int) or sequence < 0:
        raise ValueError(f"sequence {sequence!r}")
    return Position(
        database=data["database"],
        owner=owner,
        token=token,
        sequence=sequence,
        last_gap_at=_time(data, "lastGapAt"),
        last_snapshot=str(data.get("lastSnapshot", "")),
    )


def delivered_up_to(position: Position) -> Delivered:
    """Return the knowledge of earlier messages that stands in a position."""
    return Delivered(True, position.sequence, position.last_gap_at, position.snapshot)


@dataclass(frozen=True, slots=True)
class Saved:
    """Content of the position topic: the last position, None if there is none, and the stamp of the newest position or claim.
    `written` is the stamp of the last position alone.

    `emptied`: there is no position, and Kafka has deleted the topic's beginning. `newest_snapshot` is the snapshot under way, or
    else the last one that ended; those who do not ask for it get that only if it lies near the end. `received_at` is when Kafka
    received the newest position or claim, in seconds since 1970, if it tells that.
    """

    position: Position | None = None
    stamp: Stamp | None = None
    written: Stamp | None = None
    emptied: bool = False
    newest_snapshot: Snapshot | None = None
    received_at: float | None = None

    @property
    def owner(self) -> Owner | None:
        """The last owner to write or claim."""
        return self.stamp.owner if self.stamp else None

    @property
    def delivered(self) -> Delivered:
        """Knowledge of earlier messages that stands here."""
        known = self.stamp.delivered if self.stamp else Delivered()
        return known.with_those(delivered_up_to(self.position)) if self.position else known

    def has_lost_position(self, delivered: Delivered) -> bool:
        """Return True if there is no position although there was one, by `delivered` or by what stands here."""
        return self.position is None and (self.emptied or delivered.any or self.delivered.any)
