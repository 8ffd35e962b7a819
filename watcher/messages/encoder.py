"""Turns a change event into Kafka messages, as docs/message-format.md describes them. Pure: bytes and numbers in, values out.

The settings choose three things, once: the envelope (the fields around a document), the serialization (how they become bytes), and
the size policy (what becomes of a message that is too large). Most messages of row changes are made in C, if that was compiled: the
same bytes at a fraction of the cost. Python makes the others, and is the definition of them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from watcher.config import Settings
from watcher.config.settings import OnLargeEvent
from watcher.config.topics.name import topic_name
from watcher.messages.control import ControlMessages
from watcher.messages.dead_letters import PIPELINE_FAILED, dead_letter
from watcher.messages.envelopes import ENVELOPES
from watcher.messages.oversize import LimitOf, SizePolicy, too_large
from watcher.messages.row_values import OPERATION
from watcher.messages.rows import RowMessages, TopicNaming
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.unreadable import UNREADABLE, unreadable
from watcher.model import Message
from watcher.operations import ROW_OPERATIONS, TOPIC_OF

OPENED = ("_id", "documentKey")
"""Fields of which a message uses a part, however large they are."""


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """Properties that the messages of one watcher share. Topics may hold `{database}`, `{collection}` and `{operation}`."""

    watcher: str
    database: str
    topic_insert: str
    topic_update: str
    topic_delete: str
    topic_control: str
    envelope: str = "generic"
    json_format: Literal["plain", "extended"] = "plain"
    on_large_event: OnLargeEvent = "dead-letter"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The message format of a watcher's settings."""
        topics = settings.topic_templates
        return cls(
            watcher=settings.kafka_client_id,
            database=settings.database,
            topic_insert=topics["insert"],
            topic_update=topics["update"],
            topic_delete=topics["delete"],
            topic_control=topics["control"],
            json_format=settings.json_format,
            on_large_event=settings.on_large_event,
        )


class Encoder:
    """Makes the messages of one watcher; `native` allows the use of C. `control` makes a message of the watcher's own."""

    def __init__(
        self,
        message_format: MessageFormat,
        *,
        native: bool = True,
        topic_of: TopicNaming = topic_name,
        make_rows: Callable[..., RowMessages] = RowMessages,
    ) -> None:
        """`topic_of` names the topics of row changes, and `make_rows` puts together what makes their messages."""
        envelope = ENVELOPES[message_format.envelope](message_format.watcher)
        self._serialization = DIALECTS[message_format.json_format]
        self._fill_template = self._serialization.fast_path(envelope) if native else None
        self._topics = {operation: getattr(message_format, f"topic_{TOPIC_OF[operation]}") for operation in ROW_OPERATIONS}
        self._fixed_topics = {operation: topic for operation, topic in self._topics.items() if "{" not in topic}
        self._topic_of = topic_of
        self._rows = make_rows(envelope, self._serialization, self._topics, topic_of)
        self._control = ControlMessages(
            message_format.watcher, message_format.database, message_format.topic_control, self._serialization
        )
        self._size_policy = SizePolicy(message_format.on_large_event, self._rows, self._control)
        self.control = self._control.of_watcher

    def messages_for(self, event: bytes, sequence: int, limit_of: LimitOf, missing: Sequence[str] = ()) -> list[Message]:
        """Make the messages for a raw BSON change event, numbered from `sequence`: one, or what can be sent instead of one that is
        too large.

        `missing` names the fields that the event lacks because they were too large for MongoDB. Errors: UndeliverableEvent if the
        event cannot be read, or if it is too large and the policy or the event permits nothing less.
        """
        size = None
        if not missing:
            message = self.encode(event, sequence)
            if len(message.value) + len(message.key or b"") <= limit_of(message.topic):  # its size, without a call for each
                return [message]
            self._size_policy.check_permitted(message)
            size = len(message.value)
            del message  # it may hold 10 MB or more, and the event is decoded once again
        return self.reduced(event, sequence, limit_of, missing, size)

    def dead_letters_for(self, event: bytes, sequence: int) -> list[Message]:
        """Make the message for an event on which the user's pipeline fails. Errors: UndeliverableEvent if it cannot be read."""
        try:
            return [dead_letter(self._control, self._serialization.decode(event, OPENED), PIPELINE_FAILED, sequence)]
        except UNREADABLE as error:
            raise unreadable(event, error) from error

    def encode(self, event: bytes, sequence: int) -> Message:
        """Make the message for a raw BSON change event, however large. Errors: UndeliverableEvent if the event cannot be read."""
        if self._fill_template and (filled := self._fill_template(event, sequence)):
            operation, database, collection, time_ms, key, value = filled
            topic = self._fixed_topics.get(operation) or self._topic_of(self._topics[operation], operation, database, collection)
            return Message(topic, key, value, time_ms if time_ms > 0 else 0, operation)  # Kafka takes no negative times
        try:
            change = self._serialization.decode(event, OPENED)
            if change[OPERATION] in self._topics:
                return self._rows.message(change, sequence)
            return self._control.of_event(change, sequence)
        except UNREADABLE as error:
            raise unreadable(event, error) from error

    def reduced(
        self, event: bytes, sequence: int, limit_of: LimitOf, missing: Sequence[str] = (), size: int | None = None
    ) -> list[Message]:
        """Make the messages for an event that is too large: its own without some fields, and a dead letter about it.

        `size` is the size of the message's value in bytes, if it was encoded whole; encoding it again would take much memory. An
        event that is not a row change has nothing to remove. Errors: as `messages_for`.
        """
        try:
            change = self._serialization.decode(event, OPENED)
            if change[OPERATION] in self._topics:
                messages = self._size_policy.remainder(change, sequence, limit_of, missing, size)
            else:
                messages = [self._control.of_event(change, sequence)]
        except UNREADABLE as error:
            raise unreadable(event, error) from error
        return self._checked(messages, limit_of)

    def _checked(self, messages: list[Message], limit_of: LimitOf) -> list[Message]:
        """Return the messages if Kafka takes each. Errors: UndeliverableEvent."""
        for message in messages:
            if message.size > limit_of(message.topic):  # even a dead letter's, since an event's id holds the document's key
                raise too_large(message, "the key of the document alone is too large")
        return messages
