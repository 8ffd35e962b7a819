"""Tracks what became of collections: the name that a document's messages belong to today. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from watcher.config.mongodb.scope import ALL, Scope
from watcher.consumer.delivered import Message

RESHAPING = ("drop", "rename", "dropDatabase")
"""Control messages after which a collection is no longer what it was."""

Naming = Callable[[Message], Message]
"""Returns a message with its collections named as a scope names them: with their database, if there are several."""


class Lineage:
    """Follows collections through drops and renames, in the order of `sequence`."""

    def __init__(self, messages: Iterable[Message], scope: Scope) -> None:
        """`messages` are control messages in any order, with collections named as `scope` names them. It tells whose changes are
        delivered."""
        reshaping = [message for message in messages if message["operationType"] in RESHAPING]
        self._events = sorted(reshaping, key=lambda message: int(message["sequence"]))
        self._numbers = [int(message["sequence"]) for message in self._events]
        self._scope = scope
        self._since = lru_cache(maxsize=4096)(self._name_since)

    def knows(self, message: Message) -> bool:
        """True if this was made from the given message, among others."""
        return message["sequence"] in self._numbers

    def current(self, collection: str, sequence: int) -> str | None:
        """Return today's name of what was `collection` at `sequence`; None if it is gone or no longer watched."""
        return self._since(collection, bisect_right(self._numbers, sequence))

    def renamed_in_seconds(self, collection: str) -> float | None:
        """Return when the collection was last renamed from one whose changes were not delivered, in seconds since 1970; None if it
        never was. Its documents of that time have no message.
        """
        times = (
            datetime.fromisoformat(event["timestamp"]).timestamp()
            for number, event in enumerate(self._events)
            if event["operationType"] == "rename"
            and not self._scope.watches(event["collection"])
            and self._since(event["to"]["collection"], number + 1) == collection
        )
        return max(times, default=None)

    def _name_since(self, collection: str, first: int) -> str | None:
        name: str | None = collection
        for event in self._events[first:]:
            name = self._after(name, event)
            if name is None:
                return None
        return name if name is not None and self._scope.watches(name) else None

    def _after(self, name: str | None, event: Message) -> str | None:
        operation: str = event["operationType"]
        target: dict[str, Any] = event.get("to", {})
        stays = bool(target) and (self._scope.is_shared or target["database"] == event["database"])
        if operation == "dropDatabase" and name and self._scope.place_of(name)[0] == event["database"]:
            return None
        if operation == "drop" and name == event["collection"]:
            return None
        if operation == "rename" and name == event["collection"]:
            return str(target["collection"]) if stays else None
        if operation == "rename" and name == target["collection"] and stays:
            return None  # the rename replaced the collection that had this name before
        return name


def naming_of(scope: Scope) -> Naming:
    """Return the naming for the messages of a scope."""

    def named(message: Message) -> Message:
        result: dict[str, Any] = {**message}
        if message.get("collection") is not None:
            result["collection"] = scope.name_of(message["database"], message["collection"])
        if message["operationType"] == "rename":  # the `to` of gap and rewind is a time
            target = message["to"]
            result["to"] = {**target, "collection": scope.name_of(target["database"], target["collection"])}
        return result

    return named if scope.is_shared else lambda message: message


def touched(message: Message, scope: Scope) -> set[str]:
    """Return the collections that a reshaping message is about; of a whole database `*`, in a scope of several `database.*`."""
    target = message.get("to", {}).get("collection")
    return {message.get("collection") or scope.name_of(message["database"], ALL), *([target] if target else [])}
