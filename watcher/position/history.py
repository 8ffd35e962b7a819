"""Which changes of a watcher's position were made by hand, and by whom. Pure.

It lies in the position topic, under a key of its own: whoever loses the host, or runs the watcher on another one, still has it.
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
"""So many changes are remembered."""


@dataclass(frozen=True, slots=True)
class PositionChange:
    """One change: `at` a time (ISO 8601), `by` user@host, from one token to another; `before` is None where there was none."""

    at: str
    by: str
    what: str
    before: ResumeToken | None
    after: ResumeToken


def dump_history(changes: Sequence[PositionChange]) -> bytes:
    """The last `LIMIT` changes as JSON text, oldest first; the tokens in MongoDB Extended JSON."""
    entries = [asdict(change) for change in changes[-LIMIT:]]
    return orjson.dumps({"version": VERSION, "changes": orjson.loads(json_util.dumps(entries))})


def load_history(text: bytes | None) -> tuple[PositionChange, ...]:
    """The changes from their text; none if it is missing, or none of ours: a history must not be in the way of a repair."""
    with contextlib.suppress(Exception):  # json_util raises whatever it stumbles over
        data = json_util.loads(text or b"")
        if data["version"] == VERSION:
            return tuple(map(_change, data["changes"]))
    return ()


def _change(entry: dict[str, Any]) -> PositionChange:
    change = PositionChange(**entry)
    for token in filter(None, (change.before, change.after)):
        token_seconds(token)
    return change
