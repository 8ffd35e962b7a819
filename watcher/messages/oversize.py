"""The size policy: what becomes of a change whose message is too large for Kafka, or whose event was too large for MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from watcher.config.settings import OnLargeEvent
from watcher.errors import UndeliverableEvent
from watcher.messages.control import ControlMessages
from watcher.messages.dead_letters import FOR_KAFKA, FOR_MONGODB, dead_letter
from watcher.messages.rows import RowMessages
from watcher.model import Message

DOCUMENT = "fullDocument"

KEY_SHOWN = 100
"""Bytes of a document's key that an error's text shows."""

LimitOf: TypeAlias = Callable[[str], int]
"""Tells the most bytes that key and value of a message for a topic may have."""


class SizePolicy:
    """Makes what can be sent of a change that is too large as a whole."""

    def __init__(self, policy: OnLargeEvent, rows: RowMessages, control: ControlMessages) -> None:
        self._policy = policy
        self._rows = rows
        self._control = control

    def check_permitted(self, message: Message) -> None:
        """Return if a message that is too large may be sent in part. Errors: UndeliverableEvent."""
        if self._policy == "fail":
            raise too_large(message, 'or on_large_event = "dead-letter" delivers it without its document')

    def remainder(
        self, change: dict[str, Any], sequence: int, limit_of: LimitOf, missing: Sequence[str], size: int | None
    ) -> list[Message]:
        """Make the message of a decoded row change without some of the fields that its envelope can do without, and a dead letter.

        `missing` names the fields that MongoDB itself had to leave out. `size` is the size of the whole value in bytes, if it was
        made. More fields are removed until the message is within its topic's limit. If it never is, or if the envelope cannot do
        without a field, the dead letter comes alone. The messages are numbered from `sequence`.
        """
        letter = partial(dead_letter, self._control, change, FOR_MONGODB if missing else FOR_KAFKA, size=size)
        for without in _removals(change, missing, self._rows.removable):
            row = self._rows.message(change, sequence, without)
            if row.size <= limit_of(row.topic):
                return [row, letter(sequence + 1, truncated=without)]
        if DOCUMENT not in self._rows.removable:  # the key fits, so the document can be found by it
            told = letter(sequence, with_key=True)
            if told.size <= limit_of(told.topic):
                return [told]
        return [letter(sequence)]


def _removals(change: dict[str, Any], missing: Sequence[str], removable: Collection[str]) -> Iterator[list[str]]:
    """Yield the fields to be left out, more and more of them; nothing if one is missing that cannot be."""
    if not set(missing) <= set(removable):
        return
    there = [name for name in removable if change.get(name) is not None]
    for count in range(0 if missing else 1, len(there) + 1):
        yield [*missing, *there[:count]]


def too_large(message: Message, remark: str) -> UndeliverableEvent:
    """Make the error that ends a worker; `remark` ends its hint."""
    return UndeliverableEvent(
        f"A message of {message.size} bytes is too large for topic {message.topic}: {(message.key or b'')[:KEY_SHOWN]!r}.",
        hint=f'Raise max.message.bytes of the topic and "message.max.bytes" in [kafka]; {remark}.',
    )
