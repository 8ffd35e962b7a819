"""The old side of a comparison: a watcher whose messages a mapping describes, or a connector whose messages are known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from watcher.config.mongodb.scope import Scope
from watcher.consumer.delivered import Message, decoded
from watcher.decoding.avro import SchemaOf
from watcher.decoding.decoder import decode_peer
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces
from watcher.decoding.plain_json import plain
from watcher.kafka.log_reader import Record
from watcher.operations import ROW_OPERATIONS, TOPIC_OF
from watcher.verification.lineage import naming_of
from watcher.verification.mapping import MappingFile
from watcher.verification.normalizing import old_told, our_told, time_ms
from watcher.verification.pairing import Told

NO_UPDATE: Mapping[str, Any] = {"updatedFields": {}, "removedFields": [], "truncatedArrays": []}


class NotOfOldSide(Exception):
    """The record is in a form that the old side does not have."""


class OldSide(Protocol):
    """Knows the old messages, and how ours correspond to them."""

    def has(self, topic: str) -> bool:
        """True if the topic belongs to the old side."""

    def absent(self, topics: Collection[str]) -> Sequence[str]:
        """Return what the old side should have beside these topics: names, or how they begin."""

    def told(self, record: Record) -> Iterable[Told]:
        """Return the change that an old record reports, if it reports one. Raises NotOfOldSide."""

    def our_told(self, message: Message, number: int) -> Iterable[Told]:
        """Return the change that our message number `number` reports, as often as it has to be compared. Its collection is named
        as our watcher's scope names it."""


@dataclass(frozen=True, slots=True)
class MappedSide:
    """A watcher of any kind."""

    mapping: MappingFile

    def has(self, topic: str) -> bool:
        """True if the mapping names the topic."""
        return topic in self.mapping.topics

    def absent(self, topics: Collection[str]) -> Sequence[str]:
        """Return the topics that the mapping names and that are not among these."""
        return [name for name in self.mapping.topics if name not in topics]

    def told(self, record: Record) -> Iterable[Told]:
        """Return the change as the topic's mapping says. Raises NotOfOldSide if the mapping does not fit."""
        topic = record.topic() or ""
        try:
            value = orjson.loads(record.value() or b"null")
        except orjson.JSONDecodeError:
            raise NotOfOldSide from None
        if told := old_told(topic, self.mapping.topics[topic], record.key(), value, record.timestamp()[1]):
            return (told,)
        raise NotOfOldSide

    def our_told(self, message: Message, number: int) -> Iterable[Told]:
        """Return the change once for each old topic that covers it."""
        return our_told(self.mapping.topics, message, number)


@dataclass(frozen=True, slots=True)
class ConnectorSide:
    """Debezium's connector, or MongoDB's, whose topics begin with `prefix` and a point. `scope` has the databases to compare.

    Whole changes are compared, as the plain dialect has them. Of an update, that is what it changed: each side looks its document
    up at a time of its own. What was there before is compared if the connector says it. `schema_of` knows the schemas of Avro.
    """

    prefix: str
    scope: Scope
    schema_of: SchemaOf | None = None

    def has(self, topic: str) -> bool:
        """True if the topic has the connector's prefix."""
        return topic.startswith(f"{self.prefix}.")

    def absent(self, topics: Collection[str]) -> Sequence[str]:
        """Return how a topic would begin, if there is none at all."""
        return [] if topics else [f"{self.prefix}.…"]

    def told(self, record: Record) -> Iterable[Told]:
        """Return the change; none for a tombstone, what is no change of a document, and a message of ours in the same topic.

        Raises NotOfOldSide if the record is of no connector.
        """
        try:
            decoded(record, TopicPlaces(schema_of=self.schema_of))
        except UnknownMessage:
            try:
                told_at = record.timestamp()[1]
                message = decode_peer(record.key(), record.value(), time_ms=told_at, schema_of=self.schema_of)
            except UnknownMessage:
                raise NotOfOldSide from None
            return self.our_told(naming_of(self.scope)(message), 0) if message else ()
        return ()

    def our_told(self, message: Message, number: int) -> Iterable[Told]:
        """Return the change, unless a snapshot has copied the document: then it is none."""
        operation = message["operationType"]
        if operation not in ROW_OPERATIONS or "snapshot" in message or not self.scope.has_database(message["database"]):
            return ()
        key = plain(message["documentKey"]["_id"])
        text = key if isinstance(key, str) else orjson.dumps(key).decode()
        told_at = time_ms(message["timestamp"]) or 0
        return (Told(message["collection"], TOPIC_OF[operation], self.prefix, text, told_at, _values(message), number),)


def _values(message: Message) -> dict[str, Any]:
    values = {}
    if (update := message.get("updateDescription")) is not None:
        values["updateDescription"] = plain({**NO_UPDATE, **update})
    elif "fullDocument" in message:
        values["fullDocument"] = plain(message["fullDocument"])
    if message.get("fullDocumentBeforeChange") is not None:
        values["fullDocumentBeforeChange"] = plain(message["fullDocumentBeforeChange"])
    return values
