"""Turns a change event into Kafka messages, as docs/message-format.md describes them. Pure: bytes and numbers in, values out.

The settings choose three things, once: the envelope (the fields around a document), the serialization (how they become bytes), and
the size policy (what becomes of a message that is too large). Most messages of row changes are made in C, if that was compiled: the
same bytes at a fraction of the cost. Python makes the others, and is the definition of them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from watcher.config import Settings
from watcher.config.settings import EnvelopeName, JsonFormat, OnLargeEvent
from watcher.config.topics.name import topic_name
from watcher.messages.control import ControlMessages
from watcher.messages.dead_letters import PIPELINE_FAILED, dead_letter
from watcher.messages.envelopes import ENVELOPES
from watcher.messages.headers import Headers
from watcher.messages.oversize import LimitOf, SizePolicy, too_large
from watcher.messages.row_values import EVENT_ID, OPERATION
from watcher.messages.rows import RowMessages, TopicNaming
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.template import RETURNED
from watcher.messages.unreadable import UNREADABLE, unreadable
from watcher.model import ANY_PARTITION, Message
from watcher.operations import ROW_OPERATIONS, TOMBSTONE, TOPIC_OF

NULL = b"null"
"""The value whose message becomes a tombstone."""


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """Properties that the messages of one watcher share. Topics may hold `{database}`, `{collection}` and `{operation}`."""

    watcher: str
    database: str
    topic_insert: str
    topic_update: str
    topic_delete: str
    topic_control: str
    envelope: EnvelopeName = "generic"
    json_format: JsonFormat = "plain"
    kafka_headers: bool = False
    cloudevents: bool = False
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
            envelope=settings.envelope,
            json_format=settings.json_format,
            kafka_headers=settings.kafka_headers,
            cloudevents=settings.cloudevents,
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
        serialization = DIALECTS[envelope.dialect or message_format.json_format]
        self._headers = _headers(message_format)
        returned = (*RETURNED, EVENT_ID) if self._headers else RETURNED
        self._fill_template = serialization.fast_path(envelope, returned) if native else None
        self._topics = {operation: getattr(message_format, f"topic_{TOPIC_OF[operation]}") for operation in ROW_OPERATIONS}
        self._fixed_topics = {operation: topic for operation, topic in self._topics.items() if "{" not in topic}
        self._topic_of = topic_of
        self._tombstones = envelope.tombstones
        self._rows = make_rows(envelope, serialization, self._topics, topic_of, self._headers)
        self._control = ControlMessages(
            message_format.watcher, message_format.database, message_format.topic_control, serialization, self._headers
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
            # Its size, without a call for each.
            if len(message.value or b"") + len(message.key or b"") + message.header_bytes <= limit_of(message.topic):
                return [message, *self._tombstone(message, sequence + 1)] if self._tombstones else [message]
            self._size_policy.check_permitted(message)
            size = len(message.value or b"")
            del message  # it may hold 10 MB or more, and the event is decoded once again
        return self.reduced(event, sequence, limit_of, missing, size)

    def dead_letters_for(self, event: bytes, sequence: int) -> list[Message]:
        """Make the message for an event on which the user's pipeline fails. Errors: UndeliverableEvent if it cannot be read."""
        try:
            return [dead_letter(self._control, self._rows.decode(event), PIPELINE_FAILED, sequence)]
        except UNREADABLE as error:
            raise unreadable(event, error) from error

    def encode(self, event: bytes, sequence: int) -> Message:
        """Make the message for a raw BSON change event, however large. Errors: UndeliverableEvent if the event cannot be read."""
        if self._fill_template and (filled := self._fill_template(event, sequence)):
            # The nearest time that a record can have, as Kafka takes no negative ones.
            if self._headers:
                operation, database, collection, time_ms, event_id, key, value = filled
                topic = self._fixed_topics.get(operation) or self._topic_of(
                    self._topics[operation], operation, database, collection
                )
                headers = self._headers.of(operation, sequence, event_id, time_ms)
                header_bytes = self._headers.size(event_id)
                value = None if value == NULL else value
                time_ms = time_ms if time_ms > 0 else 0
                return Message(topic, key, value, time_ms, operation, ANY_PARTITION, "", headers, header_bytes, database)
            operation, database, collection, time_ms, key, value = filled
            topic = self._fixed_topics.get(operation) or self._topic_of(self._topics[operation], operation, database, collection)
            return Message(topic, key, value, time_ms if time_ms > 0 else 0, operation, ANY_PARTITION, "", None, 0, database)
        try:
            change = self._rows.decode(event)
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
            change = self._rows.decode(event)
            if change[OPERATION] in self._topics:
                messages = self._remainder(change, sequence, limit_of, missing, size)
            else:
                messages = [self._control.of_event(change, sequence)]
        except UNREADABLE as error:
            raise unreadable(event, error) from error
        return self._checked(messages, limit_of)

    def _remainder(
        self, change: dict[str, Any], sequence: int, limit_of: LimitOf, missing: Sequence[str], size: int | None
    ) -> list[Message]:
        """Make what `SizePolicy.remainder` does, and the tombstone after it."""
        messages = self._size_policy.remainder(change, sequence, limit_of, missing, size)
        return messages + self._tombstone(messages[0], sequence + len(messages))

    def _checked(self, messages: list[Message], limit_of: LimitOf) -> list[Message]:
        """Return the messages if Kafka takes each. Errors: UndeliverableEvent."""
        for message in messages:
            if message.size > limit_of(message.topic):  # even a dead letter's, since an event's id holds the document's key
                raise too_large(message, "the key of the document alone is too large")
        return messages

    def _tombstone(self, message: Message, sequence: int) -> list[Message]:
        """Make the tombstone that follows the message, if one does."""
        if message.operation not in self._tombstones:
            return []
        headers = self._headers.of_tombstone(message.headers or [], sequence) if self._headers else None
        return [message._replace(value=None, operation=TOMBSTONE, headers=headers)]


def _headers(message_format: MessageFormat) -> Headers | None:
    """Return the maker of headers; None if messages have none. Only the generic envelope has another place for what they say."""
    own = message_format.kafka_headers or message_format.envelope != "generic"
    if not own and not message_format.cloudevents:
        return None
    return Headers(message_format.watcher, own=own, cloud_events=message_format.cloudevents)
