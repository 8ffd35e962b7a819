"""Tracks which collections snapshots have copied: what no message has told of since, is not there. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from watcher.consumer.delivered import Message
from watcher.operations import SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED
from watcher.verification.lineage import Lineage

COMPLETING = (SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED)
"""Control messages that say that all of something has been copied."""


class Copies:
    """The newest copy of each collection, and of all. A filter, or a choice of collections, leaves it open what else is there."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}
        self._all_begun = 0

    def take(self, message: Message, lineage: Lineage) -> None:
        """Take a message of COMPLETING."""
        begun: int = message["startedSequence"]
        if message["operationType"] == SNAPSHOT_COMPLETED:
            if not message.get("collections") and not message.get("filters"):
                self._all_begun = max(self._all_begun, begun)
        elif not message["filtered"] and (name := lineage.current(message["collection"], message["sequence"])):
            self._begun[name] = max(self._begun.get(name, 0), begun)

    def has(self, collection: str, certain_from: int, *, of_all: bool) -> bool:
        """True if the collection has been copied, and no message since may be lost: retention may have deleted those numbered below
        `certain_from`, which is at least 1. A copy of all counts too, if `of_all`.
        """
        begun = max(self._begun.get(collection, 0), self._all_begun if of_all else 0)
        return begun >= certain_from

    def begun(self, certain_from: int) -> Iterator[tuple[str | None, int]]:
        """Yield collections, and None for all, with the number of the message that says that their copy begins. As above, only
        those of which no message is lost.
        """
        for collection, begun in (*self._begun.items(), (None, self._all_begun)):
            if certain_from <= begun:
                yield collection, begun
