"""A watcher's position as text and as JSON. The contract is in docs/position.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from bson import json_util

from watcher.cli.delivery.snapshot_view import in_a_line, snapshot_as_document
from watcher.config import Settings
from watcher.log import iso
from watcher.model import ResumeToken, Snapshot, token_seconds
from watcher.oplog import Oplog
from watcher.position.change import is_step_back
from watcher.position.history import PositionChange
from watcher.position.look import Look
from watcher.terminal.durations import NOTHING, headroom_in_words, seconds_in_words

VERSION = 1
"""The version of the JSON form. It goes up if a key is removed or changes its meaning, but not for new keys."""


def as_document(settings: Settings, seen: Look, now: int | None, oplog: Oplog | None) -> dict[str, Any]:
    """The document of `show --json`. `now` is MongoDB's present time, in seconds since 1970. `now` and `oplog` may be unknown."""
    position, owner = seen.saved.position, seen.saved.owner
    return {
        **_head(settings),
        "topic": settings.position_topic,
        "fault": seen.fault or None,
        "position": _place(seen.token),
        "sequence": position.sequence if position else None,
        "headroomSeconds": _headroom(seen.token, now, oplog),
        "oplogFull": oplog.is_full if oplog else None,
        "behindSeconds": _behind(now, seen.token),
        "owner": asdict(owner) if owner else None,
        "snapshot": snapshot_as_document(seen.snapshot),
        "history": [_change(change) for change in reversed(seen.history)],
    }


def as_text(settings: Settings, seen: Look, now: int | None, oplog: Oplog | None) -> str:
    """The text of `show`, for people. `now` and `oplog` are as in `as_document`."""
    position, owner = seen.saved.position, seen.saved.owner
    lines = {
        "position": in_words(seen.token) if seen.token or not seen.fault else "cannot be read",
        **({"fault": seen.fault} if seen.fault else {}),
        **({"hint": seen.hint} if seen.hint else {}),
        "headroom": headroom_in_words(_headroom(seen.token, now, oplog), oplog.is_full if oplog else None),
        "behind": seconds_in_words(_behind(now, seen.token)),
        "sequence": str(position.sequence) if position else NOTHING,
        "owner": str(owner) if owner else NOTHING,
        "topic": settings.position_topic,
        **({"snapshot": in_a_line(seen.snapshot)} if seen.snapshot else {}),
    }
    text = [f"{settings.name}", *(f"  {name:<10}{value}" for name, value in lines.items())]
    if seen.history:
        text += ["  changes by hand, newest first"]
    for change in reversed(seen.history):
        text += [f"    {change.at}  {change.by}  {change.what}", f"      before  {in_words(change.before)}"]
    return "\n".join(text)


def plan_as_text(settings: Settings, seen: Look, target: ResumeToken, what: str) -> str:
    """The planned change and its consequences, for people."""
    if seen.token is None and seen.fault:
        meaning = "What came after it is delivered, also what was delivered before; what came before it and was not is missing."
    elif is_step_back(seen.token, target):
        meaning = "What came after it is delivered again, with new sequence numbers."
    else:
        meaning = "Changes in between are not delivered."
    return "\n".join(
        [
            f"{settings.name}: {what}",
            f"  from  {f'an unknown place: {seen.fault}' if seen.fault else in_words(seen.token)}",
            f"  to    {in_words(target)}",
            f"  {meaning}" if seen.token or seen.fault else "  It has not begun yet.",
            *([f"  {_of_snapshot(seen.snapshot, seen.token, target)}"] if seen.snapshot else []),
        ]
    )


def _of_snapshot(snapshot: Snapshot, before: ResumeToken | None, target: ResumeToken) -> str:
    if is_step_back(before, target):
        return f"Its snapshot {snapshot.id} goes on."
    return f"Its snapshot {snapshot.id} is aborted, for changes would be missing in it; begin another one afterwards."


def change_as_document(settings: Settings, change: PositionChange) -> dict[str, Any]:
    """The document that a change prints with `--json`."""
    return {**_head(settings), **_change(change)}


def in_words(token: ResumeToken | None) -> str:
    """The time and the text of a position."""
    return f"{iso(token_seconds(token))}  {token['_data']}" if token else "none yet"


def _head(settings: Settings) -> dict[str, Any]:
    return {"version": VERSION, "watcher": settings.name, "clientId": settings.kafka_client_id, "database": settings.database}


def _change(change: PositionChange) -> dict[str, Any]:
    places = {"before": _place(change.before), "after": _place(change.after)}
    return {"at": change.at, "by": change.by, "what": change.what, **places, "id": change.id or None}


def _place(token: ResumeToken | None) -> dict[str, Any] | None:
    return {"time": iso(token_seconds(token)), "token": orjson.loads(json_util.dumps(token))} if token else None


def _headroom(token: ResumeToken | None, now: int | None, oplog: Oplog | None) -> int | None:
    return oplog.headroom_seconds(token_seconds(token), now) if token and oplog and now is not None else None


def _behind(now: int | None, token: ResumeToken | None) -> int | None:
    return max(0, now - token_seconds(token)) if token and now is not None else None
