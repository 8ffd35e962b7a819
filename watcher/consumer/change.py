"""The value that handlers receive: one message of a watcher, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

import orjson
from confluent_kafka import Message as Record

from watcher.consumer.delivered import Message, Partition, decoded
from watcher.decoding.decoder import USUAL_PLACES
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces

T_co = TypeVar("T_co", covariant=True)


NO_OFFSET = -1
"""Offset of a message that is not in Kafka: a gap that the consumer itself has found."""

NO_TIME = "1970-01-01T00:00:00.000Z"
TOKEN_SECONDS = slice(2, 10)
"""Characters of a resume token that hold the seconds of its cluster time, in hexadecimal (KeyString, type 0x82)."""

_NO_KEY: dict[str, Any] = {}


class Model(Protocol[T_co]):
    """The part of a pydantic model's class that `Change.document` uses."""

    def model_validate(self, obj: Any, /) -> T_co:
        """Return the object as a T. Raises pydantic's ValidationError."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one document, or a control message. `message` is the whole message as it was sent, including fields that this
    release does not know; of another format than the generic one, it is what that would have.
    """

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
        """The topic that the record was read from. `source` holds topic and partition together."""
        return self.source[0]

    @property
    def partition(self) -> int:
        """Number of the partition that the record was read from."""
        return self.source[1]

    @property
    def key(self) -> Any:
        """The document's `_id`; None in a control message."""
        return self.document_key.get("_id")

    @property
    def document_key(self) -> Mapping[str, Any]:
        """The document's `_id`, and in a sharded collection the fields of the shard key. Empty in a control message."""
        return self.message.get("documentKey") or {}

    @property
    def timestamp(self) -> datetime:
        """Time of the change, by MongoDB's clock."""
        return datetime.fromisoformat(self.message["timestamp"])

    @property
    def full_document(self) -> dict[str, Any] | None:
        """The document. None for a delete, if it no longer existed when it was looked up, and if it was left out as one of the
        `truncated` fields.
        """
        return self.message.get("fullDocument")

    @property
    def full_document_before_change(self) -> dict[str, Any] | None:
        """The document before the change, if the watcher asks for it and the server has it."""
        return self.message.get("fullDocumentBeforeChange")

    @property
    def update_description(self) -> dict[str, Any] | None:
        """The `updatedFields`, `removedFields` and `truncatedArrays` of an update."""
        return self.message.get("updateDescription")

    @property
    def event_id(self) -> str | None:
        """Unique identifier of the message's content; None in the watcher's own messages, such as a gap."""
        return self.message.get("eventId")

    @property
    def snapshot(self) -> str | None:
        """The id of the snapshot that has copied the document, or that a control message is about; None in a change."""
        return self.message.get("snapshot")

    @property
    def token(self) -> str | None:
        """The `event_id` of an event of the change stream. As text, tokens sort in the order of the stream. None in all other
        messages.
        """
        return None if "snapshot" in self.message else self.event_id

    @property
    def version(self) -> str:
        """Text that sorts in the order of a document's states, changes and copies by snapshots alike, also if the watcher's numbers
        begin again or another watcher has taken over.

        It is the second of the change in MongoDB, or the one as of which the document was read, and then `sequence`.
        """
        seconds = int(self.token[TOKEN_SECONDS], 16) if self.token else int(self.timestamp.timestamp())
        return f"{seconds:08X}-{self.sequence:016X}"

    @property
    def truncated(self) -> tuple[str, ...]:
        """Fields that were left out because the message was too large for Kafka."""
        return tuple(self.message.get("truncated", ()))

    def document(self, model: Model[T_co]) -> T_co | None:
        """Return `full_document` as the user's own pydantic model; None without a document. Raises pydantic's ValidationError."""
        return None if self.full_document is None else model.model_validate(self.full_document)


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes are missing, so whoever keeps a copy of the data must compare it again.

    Either MongoDB no longer had the changes after `last_event_id`, or the consumer found that messages before `sequence` are not in
    Kafka.
    """

    database: str
    watcher: str
    sequence: int
    timestamp: datetime
    reason: str
    last_event_id: str | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return the gap that a control message announces."""
        return cls(
            database=change.database,
            watcher=change.watcher,
            sequence=change.sequence,
            timestamp=change.timestamp,
            reason=change.message.get("reason", ""),
            last_event_id=change.message.get("lastEventId"),
        )


def gap_before(change: Change, reason: str) -> Change:
    """Make a gap that no control message announces: the consumer found something missing when this change arrived."""
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


def read(record: Record, partition: Partition, places: TopicPlaces = USUAL_PLACES) -> Change:
    """Read the message in a record; `places` knows the topics of documents without anything around them.

    Raises UnknownMessage if it is not a watcher's.
    """
    message = decoded(record, places)
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
        raise UnknownMessage("JSON, but without the fields of a watcher's message") from None
    if wrong := _wrong_field(change):
        raise UnknownMessage(f"its {wrong} has the wrong type")
    return change


def _wrong_field(change: Change) -> str | None:
    """Name of the first field with a wrong type, of those that routing, ordering and `Gap` rely on; None if all are right.

    One bad record must not end the consumer.
    """
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
    if not isinstance(message.get("eventId", ""), str | None):
        return "eventId"
    if not isinstance(message.get("snapshot", ""), str | None):
        return "snapshot"
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
