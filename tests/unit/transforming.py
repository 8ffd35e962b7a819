"""Encoders with a function of the user's, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson

from watcher.messages.encoder import MessageFormat
from watcher.transform.encoder import TransformingEncoder
from watcher.transform.function import Transform

Message = dict[str, Any]
Function = Callable[[Message], Any]
TOPICS = {f"topic_{name}": f"database.{name}" for name in ("insert", "update", "delete", "control")}
MEGABYTE = 1_000_000


def transforming(function: Function, *, on_error: str = "fail", created: list[str] | None = None, **changes: Any) -> Any:
    """An encoder with the function; `created` takes the topics that it names."""

    def ensured(topic: str) -> str:
        if created is not None:
            created.append(topic)
        return topic

    made = MessageFormat(**{"watcher": "dashboard-watcher", "database": "dashboard", **TOPICS, **changes})
    return TransformingEncoder(
        made, Transform("m:f", function), on_error=on_error, topic_of=lambda topic, *_: topic, ensured=ensured
    )


def messages(encoder: Any, event: Message | bytes, limit: int = MEGABYTE, missing: tuple[str, ...] = ()) -> list[Any]:
    raw = event if isinstance(event, bytes) else bson.encode(event)
    return list(encoder.messages_for(raw, 7, lambda _topic: limit, missing))
