"""Selects the messages that somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import orjson

from watcher.consumer.delivered import Message


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions for a message; all that are given must hold. `key` is an `_id` as JSON. A string, or text that is not JSON, may be
    given as it is.
    """

    collection: str | None = None
    operations: Collection[str] = ()
    key: str | None = None
    since: datetime | None = None

    def __call__(self, message: Message) -> bool:
        """True if the message is wanted."""
        return (
            (self.collection is None or message.get("collection") == self.collection)
            and (not self.operations or message.get("operationType") in self.operations)
            and (self.key is None or self._is_about(message))
            and (self.since is None or datetime.fromisoformat(message["timestamp"]) >= self.since)
        )

    def _is_about(self, message: Message) -> bool:
        if "documentKey" not in message:
            return False
        id_ = message["documentKey"].get("_id")
        return self.key in (id_, orjson.dumps(id_).decode())
