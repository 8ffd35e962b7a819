"""History of the changes of a watcher's position that people made by hand. Pure.

It is kept in the position topic, under a key of its own. So it survives the loss of a host, and a move to another one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from bson import json_util

from watcher.model import ResumeToken, token_seconds

VERSION = 1
LIMIT = 20
"""Number of changes that are kept."""


@dataclass(frozen=True, slots=True)
class PositionChange:
    """One change: `at` a time (ISO 8601), `by` user@host, from one token to another; `before` is None if there was none. `id` is
    that of the command, empty if 0.1.0 made it."""

    at: str
    by: str
    what: str
    before: ResumeToken | None
    after: ResumeToken
    id: str = ""

    @property
    def moves(self) -> bool:
        """True if the position is another one after it."""
        return self.before != self.after


def dump_history(changes: Sequence[PositionChange]) -> bytes:
    """Write the last `LIMIT` changes as JSON text, oldest first; tokens are in MongoDB Extended JSON.

    The ids stand in a list beside the changes: 0.1.0 would take a change with one more key for garbage, and all of them with it.
    """
    entries = [asdict(change) for change in changes[-LIMIT:]]
    ids = [entry.pop("id") for entry in entries]
    return orjson.dumps({"version": VERSION, "changes": orjson.loads(json_util.dumps(entries)), "ids": ids})


def load_history(text: bytes | None) -> tuple[PositionChange, ...]:
    """Read the changes from their text. Returns none if the text is missing or is not ours: a history must not block a repair."""
    with contextlib.suppress(Exception):  # json_util may raise anything
        data = json_util.loads(text or b"")
        if data["version"] == VERSION:
            return tuple(map(_change, data["changes"], data.get("ids") or [""] * len(data["changes"])))
    return ()


def _change(entry: dict[str, Any], command_id: str) -> PositionChange:
    change = PositionChange(**entry, id=command_id)
    for token in filter(None, (change.before, change.after)):
        token_seconds(token)
    return change
