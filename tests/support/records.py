"""Reads back what Kafka holds, as a careful consumer sees it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
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


def read_topics(bootstrap: str, topics: Iterable[str], *, timeout_s: float = 20.0, **properties: Any) -> list[Record]:
    """All committed records of `topics`, up to where they end at the call; a topic that does not exist has none.

    The end is the log's, not the last stable offset: an open transaction is waited for until the deadline, then AssertionError.
    """
    ends = end_offsets(bootstrap, topics, timeout_s=timeout_s, **properties)
    consumer = Consumer({"bootstrap.servers": bootstrap, **READING, **properties}, logger=QUIET)
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in ends])
        return _read_until(consumer, ends, time.monotonic() + timeout_s)
    finally:
        consumer.close()


def read_messages(bootstrap: str, topics: Iterable[str], **options: Any) -> list[dict[str, Any]]:
    """The parsed values of `read_topics`, in the order of their `sequence`."""
    return sorted((record.json for record in read_topics(bootstrap, topics, **options)), key=lambda message: message["sequence"])


def end_offsets(bootstrap: str, topics: Iterable[str], *, timeout_s: float = 20.0, **properties: Any) -> dict[tuple[str, int], int]:
    """Return the end of each partition that is not empty, open and aborted transactions included."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **properties}, logger=QUIET)
    known = admin.list_topics(timeout=timeout_s).topics
    wanted = [TopicPartition(topic, partition) for topic in set(topics) & set(known) for partition in known[topic].partitions]
    if not wanted:
        return {}
    request = {partition: OffsetSpec.latest() for partition in wanted}
    futures = admin.list_offsets(request, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout_s)
    ends = {(partition.topic, partition.partition): future.result().offset for partition, future in futures.items()}
    return {partition: end for partition, end in ends.items() if end > 0}


def _read_until(consumer: Consumer, ends: dict[tuple[str, int], int], deadline: float) -> list[Record]:
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
