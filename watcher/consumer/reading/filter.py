"""Selects the messages that somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

import orjson

from watcher.consumer.delivered import Message


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions for a message; all that are given must hold. `key` is an `_id` as JSON. A string, or text that is not JSON, may be
    given as it is. `database` is a name or a glob, and `collection` a name, or `database.collection` with or without globs.
    """

    collection: str | None = None
    operations: Collection[str] = ()
    key: str | None = None
    since: datetime | None = None
    database: str | None = None

    def __call__(self, message: Message) -> bool:
        """True if the message is wanted."""
        return (
            (self.collection is None or self._is_of_collection(message))
            and (self.database is None or fnmatchcase(str(message.get("database")), self.database))
            and (not self.operations or message.get("operationType") in self.operations)
            and (self.key is None or self._is_about(message))
            and (self.since is None or datetime.fromisoformat(message["timestamp"]) >= self.since)
        )

    def _is_of_collection(self, message: Message) -> bool:
        name = message.get("collection")
        return name is not None and (
            name == self.collection or fnmatchcase(f"{message.get('database')}.{name}", str(self.collection))
        )

    def _is_about(self, message: Message) -> bool:
        if "documentKey" not in message:
            return False
        id_ = message["documentKey"].get("_id")
        return self.key in (id_, orjson.dumps(id_).decode())
