"""Reads whole topics, each time up to their ends at the call. Leaves no trace in Kafka: no group, no offsets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, OffsetSpec

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, reading_properties
from watcher.config.topics.name import topic_pattern
from watcher.consumer.delivered import Partition
from watcher.consumer.kafka_errors import read_error

CONNECT_SECONDS = 10.0
STALL_SECONDS = 45.0
"""Longest time without a record before the end, in seconds. An open transaction holds back the end of its partition, by default for
at most 30 s.
"""

STEP_SECONDS = 0.2
RECORDS_AT_ONCE = 1000
QUEUE_KBYTES = 16 * 1024
PASSED_OVER = (KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_AUTHORIZATION_FAILED)
"""Errors that are ignored: the end of a partition; a topic that was deleted meanwhile; the group that librdkafka looks for although
none is used.
"""

Take = Callable[[Record], None]
Progress = Callable[[int, int], None]
"""Called with the amount done, and the total."""

_log = logging.getLogger("watcher.verification.librdkafka")
_log.addHandler(logging.NullHandler())


class TopicReader:
    """The committed records of all topics that are `wanted`, from the oldest on, or from the time `since_ms` on (milliseconds since
    1970, by the records' timestamps in Kafka).

    All methods raise NotPermitted, ConfigurationError or ReadError. Close it, or use `with`.
    """

    def __init__(self, settings: Settings, wanted: Callable[[str], bool], since_ms: int | None = None) -> None:
        self._settings = settings
        self._wanted = wanted
        self._since_ms = since_ms
        self._next: dict[Partition, int] = {}
        self.cut: set[Partition] = set()
        """Partitions whose beginning is gone, deleted by retention."""
        try:
            self._consumer = Consumer(self._config(), logger=_log)
            self._admin = AdminClient(client_properties(settings), logger=_log)
        except KafkaException as error:
            raise read_error(error.args[0], settings) from error

    @property
    def topics(self) -> set[str]:
        """The topics that have been read."""
        return {topic for topic, _ in self._next}

    def read(self, take: Take, progress: Progress = lambda _done, _total: None) -> None:
        """Pass each record committed since the last call, or at first since the beginning, to `take`, in the order of each
        partition.

        The end is that of the log, not of the last committed record: an open transaction is waited for.
        """
        ends = self._find_ends()
        behind = {partition for partition, end in ends.items() if self._next[partition] < end}
        total = sum(ends[partition] - self._next[partition] for partition in behind)
        self._consumer.assign([TopicPartition(*partition, self._next[partition]) for partition in behind])
        deadline = time.monotonic() + STALL_SECONDS
        while behind:
            records = self._consumer.consume(RECORDS_AT_ONCE, STEP_SECONDS)
            if records:
                deadline = time.monotonic() + STALL_SECONDS
            elif time.monotonic() >= deadline:
                raise read_error(KafkaError(KafkaError._TIMED_OUT), self._settings)
            for record in records:
                self._pass(record, take)
            behind = {partition for partition in behind if self._next[partition] < ends[partition]}
            progress(total - sum(ends[partition] - self._next[partition] for partition in behind), total)

    def exists(self, topic: str) -> bool:
        """True if Kafka has this topic."""
        try:
            return topic in self._consumer.list_topics(timeout=CONNECT_SECONDS).topics
        except KafkaException as error:
            raise read_error(error.args[0], self._settings) from error

    def record_at(self, partition: Partition, offset: int) -> Record | None:
        """Read one record again; None if it is gone."""
        self._consumer.assign([TopicPartition(*partition, offset)])
        deadline = time.monotonic() + CONNECT_SECONDS
        while time.monotonic() < deadline:
            for record in self._consumer.consume(1, STEP_SECONDS):
                if record.error() is None:
                    return record if record.offset() == offset else None
        return None

    def close(self) -> None:
        """Close the connection to Kafka."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _config(self) -> dict[str, Any]:
        return {
            **reading_properties(self._settings),
            "auto.offset.reset": "earliest",  # records that retention deletes meanwhile are passed over
            "queued.max.messages.kbytes": QUEUE_KBYTES,
        }

    def _pass(self, record: Record, take: Take) -> None:
        partition, offset, error = partition_of(record), record.offset() or 0, record.error()
        if error is None:
            take(record)
            self._next[partition] = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:  # also counts transaction markers, for which there is no record
            self._next[partition] = max(self._next[partition], offset)
        elif error.code() not in PASSED_OVER:
            raise read_error(error, self._settings)

    def _find_ends(self) -> dict[Partition, int]:
        """Return the present end of each partition. A new partition gets its first offset in `_next`."""
        try:
            partitions = self._partitions()
            new = partitions - self._next.keys()
            firsts, ends = self._offsets(new, OffsetSpec.earliest()), self._offsets(partitions, OffsetSpec.latest())
            starts = self._offsets(new, OffsetSpec.for_timestamp(self._since_ms)) if self._since_ms is not None else firsts
        except KafkaException as error:
            raise read_error(error.args[0], self._settings) from error
        self._next |= {partition: start if start >= 0 else ends[partition] for partition, start in starts.items()}
        self.cut |= {partition for partition, first in firsts.items() if first > 0}
        return ends

    def _partitions(self) -> set[Partition]:
        topics = self._consumer.list_topics(timeout=CONNECT_SECONDS).topics
        return {(name, number) for name in topics if self._wanted(name) for number in topics[name].partitions}

    def _offsets(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        request = {TopicPartition(*partition): spec for partition in partitions}
        if not request:
            return {}
        futures = self._admin.list_offsets(
            request, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=CONNECT_SECONDS
        )
        return {(asked.topic, asked.partition): int(future.result().offset) for asked, future in futures.items()}


def topics_of(settings: Settings, *operations: str) -> Callable[[str], bool]:
    """Return a function that is True for the topics that may hold the watcher's messages. With `operations` (`control` is one),
    only the topics of those.
    """
    templates = {template for name, template in settings.topic_templates.items() if not operations or name in operations}
    patterns = [topic_pattern(template, settings.database) for template in templates]
    return lambda topic: any(pattern.match(topic) for pattern in patterns)


def partition_of(record: Record) -> Partition:
    """Topic and partition of a record."""
    return record.topic() or "", record.partition() or 0
