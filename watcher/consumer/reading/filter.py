"""Selects the messages that somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache

from watcher.consumer.delivered import Message
from watcher.decoding.spellings import same_id

_same_id = lru_cache(maxsize=16)(same_id)
"""The key is the same for all messages of a reading."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions for a message; all that are given must hold. `key` is an `_id` as text, as JSON of any dialect, or as it stands in
    the whole key of a message. `database` is a name or a glob, and `collection` a name, or `database.collection` with or without
    globs.
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
        key = message.get("documentKey")
        return isinstance(key, Mapping) and "_id" in key and _same_id(str(self.key))(key["_id"])
