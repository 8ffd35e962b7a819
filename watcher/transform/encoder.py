"""The encoder of a watcher with a transform: makes the plain message, lets the user's function change it, and numbers the result.

The function sees each change of a document as docs/message-format.md shows it, whatever the envelope; control messages go past it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from bson.datetime_ms import DatetimeMS

from watcher.errors import NameTaken, UndeliverableEvent
from watcher.messages.dead_letters import TRANSFORM_FAILED, dead_letter
from watcher.messages.encoder import Encoder, MessageFormat
from watcher.messages.oversize import LimitOf
from watcher.messages.row_values import SEQUENCE
from watcher.messages.rows import RowMessages, TopicNaming
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.serialization import PrefixesOf
from watcher.model import Message
from watcher.operations import ROW_OPERATIONS
from watcher.transform.function import TOPIC, Transform, TransformFailed, TransformHung

UNWRITABLE = (TypeError, LookupError, ValueError)
"""Errors from a result that is no message after all: a value without a form in JSON, text that is no UTF-8."""

FAIL_HINT = (
    "`watcherctl transform test` runs it on the latest messages. Correct it and start the watcher again, or let "
    'on_transform_error = "dead-letter" put such changes aside.'
)

logger = logging.getLogger("watcher")


class RoutedRows(RowMessages):
    """Row messages of which each may name its topic."""

    def __init__(self, *args: Any, ensured: Callable[[str], str]) -> None:
        """`ensured` creates a topic if it is missing, and returns its name."""
        super().__init__(*args)
        self._ensured = ensured

    def message(self, change: dict[str, Any], sequence: int, without: Collection[str] = ()) -> Message:
        """Make the message as `RowMessages.message` does, for the topic that the change names, if it does.

        Errors: also TransformFailed if no document may go to a topic of that name. What else keeps Kafka from creating it, such as
        the replication factor, would meet each change, and is raised as it is.
        """
        message = super().message(change, sequence, without)
        if TOPIC not in change:
            return message
        try:
            return message._replace(topic=self._ensured(change[TOPIC]))
        except NameTaken as error:  # of one change: no setting names this topic
            raise TransformFailed(f"named a topic that cannot be written to: {error}") from error


class TransformingEncoder(Encoder):
    """An `Encoder` whose row messages go through a transform first. One event may become no message at all."""

    def __init__(
        self,
        message_format: MessageFormat,
        transform: Transform,
        *,
        on_error: str,
        topic_of: TopicNaming,
        ensured: Callable[[str], str],
        prefixes_of: PrefixesOf | None = None,
    ) -> None:
        """`on_error` is the setting `on_transform_error`; the rest as for `Encoder` and `RoutedRows`."""
        make_rows = partial(RoutedRows, ensured=ensured)
        reshaped = replace(message_format, is_reshaped=True)
        super().__init__(reshaped, native=False, topic_of=topic_of, make_rows=make_rows, prefixes_of=prefixes_of)
        plain = replace(message_format, envelope="generic", serialization="json", kafka_headers=False, cloudevents=False)
        self._plain = Encoder(plain)
        self._transform = transform
        self._on_error = on_error
        self._hung_at = b""
        """Call that `pressing` is about, as the transform names it."""

    def messages_for(self, event: bytes, sequence: int, limit_of: LimitOf, missing: Sequence[str] = ()) -> list[Message]:
        """Make the messages for an event as `Encoder.messages_for` does: none if the transform returns none, and a dead letter
        alone if it fails and the policy permits that."""
        plain = self._plain.encode(event, sequence)
        if plain.operation not in ROW_OPERATIONS:
            return super().messages_for(event, sequence, limit_of, missing)
        before = orjson.loads(plain.value or b"")
        del before[SEQUENCE]
        about = _change_of(before, plain.timestamp_ms)
        try:
            after = self._transform(before)
            return [] if after is None else self._made(_change_of(after, plain.timestamp_ms), sequence, limit_of, missing)
        except TransformFailed as error:
            return [self._failed(about, error, sequence)]

    def _made(self, change: dict[str, Any], sequence: int, limit_of: LimitOf, missing: Sequence[str]) -> list[Message]:
        """Make the messages of a change that has gone through the transform."""
        try:
            whole = self._rows.message(dict(change), sequence)
        except UNWRITABLE as error:
            raise _unwritable(error) from error
        if not missing and whole.size <= limit_of(whole.topic):
            return [whole, *self._tombstone(whole, sequence + 1)]
        if not missing:
            self._size_policy.check_permitted(whole)
        return self._checked(self._remainder(change, sequence, limit_of, missing, len(whole.value or b"")), limit_of)

    def _failed(self, change: dict[str, Any], error: TransformFailed, sequence: int) -> Message:
        """Make the dead letter about a change; its content would go past what the transform may have been there to hide."""
        event_id = change["_id"]["_data"]
        if self._on_error == "fail":
            self._transform.forget_hangs()
            text = f"The transform {self._transform.reference} {error}. The change: {event_id[:100]}"
            raise UndeliverableEvent(text, hint=FAIL_HINT) from error
        logger.warning("the transform %s", error, extra={"eventId": event_id})
        letter = dead_letter(self._control, change, TRANSFORM_FAILED, sequence)
        if isinstance(error, TransformHung):
            self.pressing, self._hung_at = letter, error.call
        return letter

    def pressing_delivered(self) -> None:
        """Forget the hang: the position is past its event."""
        self._transform.forget_hang(self._hung_at)
        self.pressing = None


def as_written(result: dict[str, Any]) -> Any:
    """Return what a message says that has gone through the transform. Errors: TransformFailed."""
    try:
        return orjson.loads(DIALECTS["plain"].dumps(result))
    except UNWRITABLE as error:
        raise _unwritable(error) from error


def _unwritable(error: Exception) -> TransformFailed:
    return TransformFailed(f"returned what cannot be written as JSON ({type(error).__name__})")


def _change_of(message: dict[str, Any], time_ms: int) -> dict[str, Any]:
    """Turn a plain message back into a decoded change event, of which any envelope can be made."""
    return {
        **message,
        "_id": {"_data": message["eventId"]},
        "ns": {"db": message["database"], "coll": message["collection"]},
        "wallTime": DatetimeMS(time_ms),
    }
