"""Messages as a consumer finds them in Kafka, and their order across topics. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import orjson
from confluent_kafka import Message as Record

from watcher.consumer.errors import ReadError
from watcher.decoding.avro import MAGIC
from watcher.decoding.decoder import USUAL_PLACES, decode
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces
from watcher.errors import Outage, command_hint

Partition = tuple[str, int]
"""Topic, and the partition's number in it."""

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeliveredMessage:
    """One message, as the generic envelope has it. `text` is the JSON that is in Kafka, or the message as JSON if it is in Avro; a
    record without a value has `null`."""

    partition: Partition
    text: bytes
    message: Message
    offset: int = -1
    """Its place in the partition; -1 for a message that is in none."""
    time_ms: int = 0
    """The record's timestamp in Kafka, in milliseconds since 1970; 0 if it has none."""

    @property
    def sequence(self) -> int:
        """The message's number. A watcher numbers its messages across all its topics, without gaps."""
        return int(self.message["sequence"])


class RecordPlace(NamedTuple):
    """The place in Kafka where a message was first read, as text. The names of the fields are those of a dead letter's headers."""

    topic: str
    partition: str
    offset: str


DEAD_LETTER_HEADERS = frozenset({"reason", "group", *RecordPlace._fields})
"""Headers that every dead letter has."""

TIME_HEADER = "timestamp"
"""Header of a dead letter: its record's time, in milliseconds since 1970. The dead letter's own is later, so that retention counts
from there."""


def is_dead_letter(record: Record) -> bool:
    """True for a copy that a consumer has put into its dead-letter topic."""
    return headers_of(record).keys() >= DEAD_LETTER_HEADERS


def origin_of(record: Record) -> RecordPlace:
    """Return where a record's message was first read: of a dead letter, its headers tell."""
    if is_dead_letter(record):
        headers = headers_of(record)
        return RecordPlace(*((headers[name] or b"").decode(errors="replace") for name in RecordPlace._fields))
    return RecordPlace(record.topic() or "", str(record.partition()), str(record.offset()))


def time_of(record: Record) -> int:
    """Return when a record's message was first written, in milliseconds since 1970: of a dead letter, its headers tell."""
    told = headers_of(record).get(TIME_HEADER) if is_dead_letter(record) else None
    return int(told) if told and told.isdigit() else int(record.timestamp()[1])


def headers_of(record: Record) -> dict[str, bytes | None]:
    """Return the record's headers; of several with one name, the last."""
    return dict(cast("list[tuple[str, bytes | None]] | None", record.headers()) or ())


def decoded(record: Record, places: TopicPlaces = USUAL_PLACES) -> dict[str, Any]:
    """Return the message in a record, whatever its format. `places` knows the topics of documents without anything around them.

    Raises UnknownMessage if it is not a watcher's; ReadError if the schema registry does not answer, NotPermitted,
    ConfigurationError."""
    headers = cast("list[tuple[str, bytes]] | None", record.headers())
    try:
        return decode(
            record.key(),
            record.value(),
            headers,
            topic=origin_of(record).topic if headers else record.topic() or "",
            time_ms=time_of(record) if headers else record.timestamp()[1],
            places=places,
        )
    except Outage as error:
        raise ReadError(str(error), hint=command_hint(error)) from error


def parse(record: Record, watcher: str, places: TopicPlaces) -> DeliveredMessage | None:
    """Return the message in a record. None if `watcher` (its kafka_client_id) did not write it: topics may be shared with other
    writers, and a consumer's dead letters are in a topic whose name may be like that of a collection's.
    """
    if record.headers() and is_dead_letter(record):
        return None
    try:
        message = decoded(record, places)
    except UnknownMessage:
        return None
    if message["watcher"] != watcher or not isinstance(message.get("sequence"), int):
        return None
    value = record.value() or b"null"
    text = orjson.dumps(message) if value[:1] == MAGIC else value
    partition = (record.topic() or "", record.partition() or 0)
    return DeliveredMessage(partition, text, message, record.offset() or 0, max(0, record.timestamp()[1]))


def whole(delivered: DeliveredMessage) -> DeliveredMessage:
    """Return the message unchanged."""
    return delivered


class Tail:
    """Keeps the newest `count` of the wanted messages, whatever the order in which they are added. `shrink` may reduce each one
    that is kept.
    """

    def __init__(
        self, count: int, wanted: Callable[[Message], bool], shrink: Callable[[DeliveredMessage], DeliveredMessage] = whole
    ) -> None:
        self._count = count
        self._wanted = wanted
        self._shrink = shrink
        self._kept: dict[int, DeliveredMessage] = {}
        self._oldest_first: list[int] = []
        self._seen: set[int] = set()
        self._lowest: dict[Partition, int] = {}

    def add(self, delivered: DeliveredMessage) -> None:
        """Add a message; it is kept if it is wanted and among the newest."""
        number = delivered.sequence
        self._seen.add(number)
        self._lowest[delivered.partition] = min(number, self._lowest.get(delivered.partition, number))
        if number in self._kept or not self._wanted(delivered.message):
            return
        self._kept[number] = self._shrink(delivered)
        heapq.heappush(self._oldest_first, number)
        if len(self._kept) > self._count:
            del self._kept[heapq.heappop(self._oldest_first)]

    def messages(self) -> list[DeliveredMessage]:
        """The messages that are kept, oldest first."""
        return [self._kept[number] for number in sorted(self._kept)]

    def certain(self) -> list[DeliveredMessage]:
        """The kept messages that are newer than any that may be missing, oldest first."""
        first = self.newest_sequence() or 0
        while first - 1 in self._seen:
            first -= 1
        return [self._kept[number] for number in sorted(self._kept) if number >= first]

    def newest_sequence(self) -> int | None:
        """The highest number that was added; None without messages."""
        return max(self._seen, default=None)

    def is_complete(self, cut: Collection[Partition]) -> bool:
        """True if no other message can belong here, although the partitions in `cut` were not read from their beginning.

        A cut partition can hide only numbers below the lowest one seen in it. If none was seen in it, it can hide any number. So
        the result is certain if all hidden numbers are older than the kept ones, or were all seen in other partitions.
        """
        if self._count == 0:
            return True
        if not self._lowest.keys() >= set(cut):
            return False
        oldest = self._oldest_first[0] if len(self._kept) == self._count else 1
        hidden_below = max((self._lowest[partition] for partition in cut), default=0)
        return all(number in self._seen for number in range(oldest, hidden_below))
