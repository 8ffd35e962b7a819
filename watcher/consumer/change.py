"""What handlers get: one message of a watcher's, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

import orjson
from confluent_kafka import Message as Record

from watcher.consumer.delivered import Message, Partition

T_co = TypeVar("T_co", covariant=True)


NO_OFFSET = -1
"""That of what lies nowhere in Kafka: a gap that the consumer has found itself."""

NO_TIME = "1970-01-01T00:00:00.000Z"
_NO_KEY: dict[str, Any] = {}


class Model(Protocol[T_co]):
    """What `Change.document` needs of a pydantic model's class."""

    def model_validate(self, obj: Any, /) -> T_co:
        """The object as a T, or pydantic's ValidationError."""


class NotOurs(Exception):
    """The record is no message of a watcher's; the text says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one document, or a control message. `message` is all that was sent, fields we don't know of included."""

    operation: str
    database: str
    collection: str | None
    watcher: str
    sequence: int
    source: Partition
    offset: int
    message: Message = field(repr=False, compare=False)
    record: Record = field(repr=False, compare=False)

    @property
    def topic(self) -> str:
        """Where it lay in Kafka; with `partition` it is `source`."""
        return self.source[0]

    @property
    def partition(self) -> int:
        """The number of the partition in its topic."""
        return self.source[1]

    @property
    def key(self) -> Any:
        """The document's `_id`; None in a control message."""
        return self.document_key.get("_id")

    @property
    def document_key(self) -> Mapping[str, Any]:
        """`_id`, and in a sharded collection the shard key's fields; empty in a control message."""
        return self.message.get("documentKey") or {}

    @property
    def timestamp(self) -> datetime:
        """When the change was made, by MongoDB's clock."""
        return datetime.fromisoformat(self.message["timestamp"])

    @property
    def full_document(self) -> dict[str, Any] | None:
        """The document. None for a delete, when it was gone before it could be looked up, and when it is in `truncated`."""
        return self.message.get("fullDocument")

    @property
    def full_document_before_change(self) -> dict[str, Any] | None:
        """The document before, where the watcher asks for it and the server has it."""
        return self.message.get("fullDocumentBeforeChange")

    @property
    def update_description(self) -> dict[str, Any] | None:
        """`updatedFields`, `removedFields` and `truncatedArrays` of an update."""
        return self.message.get("updateDescription")

    @property
    def event_id(self) -> str | None:
        """Unique, and sorts as text in the order of the changes; None in a gap."""
        return self.message.get("eventId")

    @property
    def truncated(self) -> tuple[str, ...]:
        """The fields that were left out because the message was too large for Kafka."""
        return tuple(self.message.get("truncated", ()))

    def document(self, model: Model[T_co]) -> T_co | None:
        """`full_document` as the user's own pydantic model, or None if there is none. Raises pydantic's ValidationError."""
        return None if self.full_document is None else model.model_validate(self.full_document)


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes are missing: whoever keeps a copy must compare it anew. MongoDB no longer had those after `last_event_id`; or the
    consumer has found that they are not in Kafka, before the message with this `sequence`.
    """

    database: str
    watcher: str
    sequence: int
    timestamp: datetime
    reason: str
    last_event_id: str | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """The gap that a control message tells of."""
        return cls(
            database=change.database,
            watcher=change.watcher,
            sequence=change.sequence,
            timestamp=change.timestamp,
            reason=change.message.get("reason", ""),
            last_event_id=change.message.get("lastEventId"),
        )


def gap_before(change: Change, reason: str) -> Change:
    """A gap that no control message tells of: something was missing when this change came."""
    timestamp = change.message["timestamp"]
    message = {
        "operationType": "gap",
        "database": change.database,
        "timestamp": timestamp if _is_time(timestamp) else NO_TIME,
        "reason": reason,
        "watcher": change.watcher,
        "sequence": change.sequence,
    }
    record = Record(topic=change.topic, partition=change.partition, offset=NO_OFFSET, key=None, value=orjson.dumps(message))
    return Change("gap", change.database, None, change.watcher, change.sequence, change.source, NO_OFFSET, message, record)


def read(record: Record, partition: Partition) -> Change:
    """The message in a record; NotOurs if no watcher has written it."""
    try:
        message = orjson.loads(record.value() or b"")
    except orjson.JSONDecodeError as error:
        raise NotOurs(f"not JSON: {error}") from None
    try:
        change = Change(
            message["operationType"],
            message["database"],
            message.get("collection"),
            message["watcher"],
            message["sequence"],
            partition,
            record.offset(),  # type: ignore[arg-type]  # None only in errors
            message,
            record,
        )
    except (KeyError, TypeError, AttributeError):
        raise NotOurs("JSON, but without the fields of a watcher's message") from None
    if wrong := _wrong_field(change):
        raise NotOurs(f"its {wrong} has the wrong type")
    return change


def _wrong_field(change: Change) -> str | None:
    """The first field that is not what routing, order and `Gap` stand on: one bad record must not end the consumer."""
    message = change.message
    if type(change.sequence) is not int:  # True is an int too
        return "sequence"
    if not isinstance(change.operation, str):
        return "operationType"
    if not isinstance(change.watcher, str):
        return "watcher"
    if not isinstance(change.database, str):
        return "database"
    if not isinstance(change.collection, str) and change.collection is not None:
        return "collection"
    if not isinstance(message.get("documentKey", _NO_KEY), dict):
        return "documentKey"
    if not isinstance(message.get("timestamp"), str) or (change.operation == "gap" and not _is_time(message["timestamp"])):
        return "timestamp"
    return None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
