"""Turns a change event into Kafka messages, as docs/message-format.md describes them. Pure: bytes and numbers in, values out.

The settings choose three things, once: the envelope (the fields around a document), the serialization (how they become bytes), and
the size policy (what becomes of a message that is too large). Most messages of row changes are made in C, if that was compiled: the
same bytes at a fraction of the cost. Python makes the others, and is the definition of them all.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from watcher.config import Settings
from watcher.config.settings import EnvelopeName, JsonFormat, OnLargeEvent, SerializationName
from watcher.config.topics.name import topic_name
from watcher.messages.control import ControlMessages
from watcher.messages.dead_letters import PIPELINE_FAILED, dead_letter
from watcher.messages.envelopes import ENVELOPES
from watcher.messages.envelopes.layout import Envelope
from watcher.messages.headers import Headers, size_of
from watcher.messages.oversize import LimitOf, SizePolicy, too_large
from watcher.messages.row_values import OPERATION
from watcher.messages.rows import RowMessages, TopicNaming
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.serialization import Frame, PrefixesOf, Serialization
from watcher.messages.unreadable import UNREADABLE, unreadable
from watcher.model import Message
from watcher.operations import ROW_OPERATIONS, TOMBSTONE, TOPIC_OF

MOST_AT_ONCE, FEWEST_AT_ONCE = 1024, 16
"""Number of events to hand to C in one call: fewer where C leaves many of them to Python, since each is handed over at a cost."""

logger = logging.getLogger("watcher")


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
    serialization: SerializationName = "json"
    json_format: JsonFormat = "plain"
    kafka_headers: bool = False
    cloudevents: bool = False
    on_large_event: OnLargeEvent = "dead-letter"
    is_reshaped: bool = False
    """True if stages or a function of the user's change what MongoDB sends, so that fields may be absent, or of another type."""
    puts_aside: bool = False
    """True if a change of which the stages leave no message becomes a dead letter."""

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
            serialization=settings.serialization,
            json_format=settings.json_format,
            kafka_headers=settings.kafka_headers,
            cloudevents=settings.cloudevents,
            on_large_event=settings.on_large_event,
            is_reshaped=bool(settings.pipeline or settings.transform),
            puts_aside=bool(settings.pipeline) and settings.on_transform_error == "dead-letter",
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
        prefixes_of: PrefixesOf | None = None,
    ) -> None:
        """`topic_of` names the topics of row changes, and `make_rows` puts together what makes their messages. `prefixes_of` knows
        the ids of schemas, for a serialization that has some."""
        envelope, serialization, frame, self._prefixes_of = _form(message_format, prefixes_of)
        self._headers = _headers(message_format, serialization.content_type)
        headers_of = self._headers.layout if self._headers else None
        self._fill = serialization.fast_path(envelope, Message, headers_of) if native else None
        self._is_reshaped, self._puts_aside = message_format.is_reshaped, message_format.puts_aside
        self._at_once = MOST_AT_ONCE
        self._topics = {operation: getattr(message_format, f"topic_{TOPIC_OF[operation]}") for operation in ROW_OPERATIONS}
        self._fixed_topics = {operation: topic for operation, topic in self._topics.items() if "{" not in topic}
        self._topic_of = topic_of
        self._tombstones = envelope.tombstones
        self._rows = make_rows(envelope, serialization, self._topics, topic_of, self._headers, frame)
        self._control = ControlMessages(
            message_format.watcher, message_format.database, message_format.topic_control, serialization, self._headers
        )
        self._size_policy = SizePolicy(message_format.on_large_event, self._rows, self._control)
        self._topic_without_limit = partial(self._topic_and_limit, lambda _: sys.maxsize)
        self.control = self._control.of_watcher
        self.pressing: Message | None = None
        """The last message that was made of those that must be in Kafka before anything else is made."""

    def pressing_delivered(self) -> None:
        """Note that the `pressing` message, and all before it, are in Kafka."""
        self.pressing = None

    def next_messages(
        self, events: Sequence[bytes], first: int, last: int, sequence: int, limit_of: LimitOf, most_bytes: int
    ) -> tuple[list[Message], int, int]:
        """Make the messages for some of `events[first:last]`, numbered from `sequence`. Returns them, the number of their events,
        which is at least one, and the bytes of their values.

        It ends after the event with which the values have `most_bytes`. Errors: as `messages_for`, for the first of the events.
        """
        event = events[first]
        if self._fill is None:
            made = self.messages_for(event, sequence, limit_of)
            return made, 1, _size(made)
        count = min(self._at_once, last - first)
        topic_of = partial(self._topic_and_limit, limit_of)
        messages, size, too_large = self._fill(events, first, count, sequence, most_bytes, topic_of)
        done = len(messages)
        self._at_once = min(MOST_AT_ONCE, 4 * done + FEWEST_AT_ONCE)
        if messages:
            return self._with_tombstones(messages, sequence) if self._tombstones else messages, done, size
        whole = self.encode if too_large else self._in_python
        made = self._within_limit(whole(event, sequence), event, sequence, limit_of)
        return made, 1, _size(made)

    def messages_for(self, event: bytes, sequence: int, limit_of: LimitOf, missing: Sequence[str] = ()) -> list[Message]:
        """Make the messages for a raw BSON change event, numbered from `sequence`: one, or what can be sent instead of one that is
        too large.

        `missing` names the fields that the event lacks because they were too large for MongoDB. Errors: UndeliverableEvent if the
        event cannot be read, or if it is too large and the policy or the event permits nothing less.
        """
        if missing:
            return self.reduced(event, sequence, limit_of, missing)
        return self._within_limit(self.encode(event, sequence), event, sequence, limit_of)

    def dead_letters_for(self, event: bytes, sequence: int) -> list[Message]:
        """Make the message for an event on which the user's pipeline fails. Errors: UndeliverableEvent if it cannot be read."""
        try:
            return [dead_letter(self._control, self._rows.decode(event), PIPELINE_FAILED, sequence)]
        except UNREADABLE as error:
            raise unreadable(event, error, is_reshaped=self._is_reshaped) from error

    def encode(self, event: bytes, sequence: int) -> Message:
        """Make the message for a raw BSON change event, however large. Errors: UndeliverableEvent if the event cannot be read."""
        filled: list[Message] = self._fill((event,), 0, 1, sequence, 1, self._topic_without_limit)[0] if self._fill else []
        return filled[0] if filled else self._in_python(event, sequence)

    def _in_python(self, event: bytes, sequence: int) -> Message:
        try:
            change = self._rows.decode(event)
            if change[OPERATION] in self._topics:
                return self._rows.message(change, sequence)
            return self._control.of_event(change, sequence)
        except UNREADABLE as error:
            return self._put_aside(event, sequence, error)

    def _put_aside(self, event: bytes, sequence: int, error: Exception) -> Message:
        """Make the dead letter about an event that is no message, if the user's stages may have made it so: they see row changes
        alone. Errors: UndeliverableEvent."""
        is_reshaped = self._is_reshaped and self._is_of_row(event)
        if not self._puts_aside or not is_reshaped:
            raise unreadable(event, error, is_reshaped=is_reshaped) from error
        [letter] = self.dead_letters_for(event, sequence)
        event_id = self._rows.decode(event)["_id"]["_data"]
        logger.warning("the pipeline left no message: %s", type(error).__name__, extra={"eventId": event_id})
        return letter

    def _is_of_row(self, event: bytes) -> bool:
        try:
            return self._rows.decode(event)[OPERATION] in self._topics
        except UNREADABLE:
            return False

    def _within_limit(self, message: Message, event: bytes, sequence: int, limit_of: LimitOf) -> list[Message]:
        """Return the message of an event, and its tombstone; or what can be sent instead if it is too large."""
        if message.size <= limit_of(message.topic):
            return [message, *self._tombstone(message, sequence + 1)]
        self._size_policy.check_permitted(message)
        size = len(message.value or b"")
        del message  # it may hold 10 MB or more, and the event is decoded once again
        return self.reduced(event, sequence, limit_of, size=size)

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
            messages = [self._put_aside(event, sequence, error)]
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

    def _topic_and_limit(self, limit_of: LimitOf, operation: str, database: str, collection: str) -> tuple[str, int, bytes, bytes]:
        topic = self._fixed_topics.get(operation) or self._topic_of(self._topics[operation], operation, database, collection)
        return topic, limit_of(topic), *self._prefixes_of(topic)

    def _with_tombstones(self, messages: Sequence[Message], sequence: int) -> list[Message]:
        """Put tombstones behind the messages that have one. Their numbers were left out for them."""
        made = list[Message]()
        for message in messages:
            made.append(message)
            made += self._tombstone(message, sequence + len(made))
        return made

    def _tombstone(self, message: Message, sequence: int) -> list[Message]:
        """Make the tombstone that follows the message, if one does."""
        if message.operation not in self._tombstones:
            return []
        headers = self._headers.of_tombstone(message.headers or [], sequence) if self._headers else None
        return [message._replace(value=None, operation=TOMBSTONE, headers=headers, header_bytes=size_of(headers))]


def _size(messages: Sequence[Message]) -> int:
    return sum(len(message.value or b"") for message in messages)


def _form(
    message_format: MessageFormat, prefixes_of: PrefixesOf | None
) -> tuple[Envelope, Serialization, Frame | None, Callable[[str], tuple[bytes, bytes]]]:
    """Return the envelope, the serialization, what puts a key and a value into Kafka's form, if they need that, and what tells what
    stands in front of both in a topic."""
    envelope = ENVELOPES[message_format.envelope](message_format.watcher)
    if not message_format.is_reshaped:
        envelope = envelope._replace(nullable=())
    dialect = DIALECTS[envelope.dialect or message_format.json_format]
    if message_format.serialization == "json":
        return envelope, dialect, None, lambda _: (b"", b"")
    if prefixes_of is None:
        raise ValueError("Avro needs the ids of its schemas")
    from watcher.messages.serializations.avro import AvroSerialization  # here, because most workers never need it

    avro = AvroSerialization(dialect, message_format.envelope, prefixes_of)
    return avro.arranged(envelope), avro, avro.framed, avro.prefixes


def _headers(message_format: MessageFormat, content_type: str) -> Headers | None:
    """Return the maker of headers; None if messages have none. Only the generic envelope in JSON has another place for what they
    say that everybody can read."""
    own = message_format.kafka_headers or message_format.envelope != "generic" or message_format.serialization != "json"
    if not own and not message_format.cloudevents:
        return None
    return Headers(message_format.watcher, own=own, cloud_events=message_format.cloudevents, content_type=content_type)
