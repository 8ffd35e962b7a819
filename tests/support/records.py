"""Reads back what Kafka holds, as a careful consumer sees it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

QUIET = logging.getLogger("tests.kafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


READING = {
    "group.id": "tests",
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,  # the end is reported only after an empty fetch, and half a second is librdkafka's default
}

SOON_BACK = {"reconnect.backoff.max.ms": 200}  # a broker that comes back is waited for up to ten seconds by default
WITHOUT_LEADER = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
}
"""Codes of a partition that was made, or has moved, a moment ago."""

Place = tuple[str, int]
"""A topic and the number of one of its partitions."""


class Record(NamedTuple):
    """One record as it lies in Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int

    @property
    def json(self) -> dict[str, Any]:
        """The value, parsed."""
        return json.loads(self.value or b"null")


class TopicReader:
    """Reads all committed records of topics, at each call only those that are new: what a log has held it holds.

    A topic that was deleted and made anew has another id, or is shorter where the broker gives no ids, and then everything is read
    anew; likewise after a failure. Between the calls it asks for nothing.
    """

    def __init__(self, bootstrap: str, topics: Iterable[str], **properties: Any) -> None:
        self._topics = list(topics)
        self._properties = {"bootstrap.servers": bootstrap, **SOON_BACK, **properties}
        self._admin: AdminClient | None = None
        self._consumer: Consumer | None = None
        self._forget()

    def read(self, timeout_s: float = 20.0) -> list[Record]:
        """All records up to where the topics end at the call; a topic that does not exist has none.

        The end is the log's, not the last stable offset: an open transaction is waited for until the deadline, then AssertionError.
        Errors: KafkaException.
        """
        try:
            self._read_on(timeout_s)
        except BaseException:
            self.close()
            raise
        return [*self._records]

    def close(self) -> None:
        """Close the connections, and forget what was read."""
        if self._consumer is not None:
            self._consumer.close()
        self._admin = self._consumer = None
        self._forget()

    def _forget(self) -> None:
        self._ids: dict[str, str] = {}
        self._ends: dict[Place, int] = {}
        self._records: list[Record] = []

    def _read_on(self, timeout_s: float) -> None:
        self._admin = self._admin or AdminClient(self._properties, logger=QUIET)
        partitions = _partitions(self._admin, self._topics, timeout_s)
        ids = {topic: topic_id for topic, (topic_id, _) in partitions.items()}
        ends = _ends(self._admin, [TopicPartition(topic, each) for topic, (_, of) in partitions.items() for each in of], timeout_s)
        if not self._ids.items() <= ids.items() or any(ends.get(place, 0) < end for place, end in self._ends.items()):
            self._forget()
        if longer := {place: end for place, end in ends.items() if end > self._ends.get(place, 0)}:
            self._consumer = self._consumer or Consumer({**READING, **self._properties}, logger=QUIET)
            self._consumer.assign([TopicPartition(*place, self._ends.get(place, 0)) for place in longer])
            self._records += _read_until(self._consumer, longer, time.monotonic() + timeout_s)
            self._consumer.unassign()
        self._ids, self._ends = ids, self._ends | longer


def read_topics(bootstrap: str, topics: Iterable[str], *, timeout_s: float = 20.0, **properties: Any) -> list[Record]:
    """All committed records of `topics`, once, as TopicReader gives them."""
    with closing(TopicReader(bootstrap, topics, **properties)) as reader:
        return reader.read(timeout_s)


def read_messages(bootstrap: str, topics: Iterable[str], **options: Any) -> list[dict[str, Any]]:
    """The parsed values of `read_topics`, in the order of their `sequence`."""
    return sorted((record.json for record in read_topics(bootstrap, topics, **options)), key=lambda message: message["sequence"])


def end_offsets(
    bootstrap: str,
    topics: Iterable[str],
    *,
    timeout_s: float = 20.0,
    isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    **properties: Any,
) -> dict[Place, int]:
    """Return the end of each partition that is not empty, aborted transactions included; open ones only as long as `isolation` is
    not READ_COMMITTED."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **properties}, logger=QUIET)
    partitions = _partitions(admin, topics, timeout_s)
    places = [TopicPartition(topic, each) for topic, (_, of) in partitions.items() for each in of]
    return _ends(admin, places, timeout_s, isolation)


def _partitions(admin: AdminClient, topics: Iterable[str], timeout_s: float) -> dict[str, tuple[str, list[int]]]:
    """The id and the partitions of each topic that exists."""
    found: dict[str, tuple[str, list[int]]] = {}
    if not (wanted := [*{*topics}]):  # librdkafka would take this for a mistake
        return found
    for topic, future in admin.describe_topics(TopicCollection(wanted), request_timeout=timeout_s).items():
        try:
            description = future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
        else:
            found[topic] = (str(description.topic_id), [partition.id for partition in description.partitions])
    return found


def _ends(
    admin: AdminClient,
    partitions: Sequence[TopicPartition],
    timeout_s: float,
    isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
) -> dict[Place, int]:
    deadline = time.monotonic() + timeout_s
    ends: dict[Place, int] = {}
    request = {partition: OffsetSpec.latest() for partition in partitions}
    while request:
        futures = admin.list_offsets(request, isolation_level=isolation, request_timeout=timeout_s)
        request = {}
        for partition, future in futures.items():
            try:
                ends[partition.topic, partition.partition] = future.result().offset
            except KafkaException as error:
                code = error.args[0].code()
                if code in WITHOUT_LEADER and time.monotonic() < deadline:
                    request[partition] = OffsetSpec.latest()
                elif code != KafkaError.UNKNOWN_TOPIC_OR_PART:  # deleted a moment ago
                    raise
    return {place: end for place, end in ends.items() if end > 0}


def _read_until(consumer: Consumer, ends: dict[Place, int], deadline: float) -> list[Record]:
    records = []
    open_ends = dict(ends)
    while open_ends:
        assert time.monotonic() < deadline, f"the ends {open_ends} were not reached; {len(records)} records were"
        message = consumer.poll(0.1)
        if message is None:
            continue
        at = (message.topic(), message.partition())
        if message.error() is None:
            records.append(_record(message))
        elif message.error().code() != KafkaError._PARTITION_EOF:
            raise KafkaException(message.error())
        # The end of a partition is an event with its offset; a commit's or abort's marker, which is no record, is passed only so.
        reached = message.offset() + (message.error() is None)
        if at in open_ends and reached >= open_ends[at]:
            del open_ends[at]
    return [record for record in records if record.offset < ends[record.topic, record.partition]]


def _record(message: Message) -> Record:
    _, timestamp_ms = message.timestamp()
    return Record(message.topic(), message.partition(), message.offset(), message.key(), message.value(), timestamp_ms)
