"""The topics of one watcher: which partitions there are, from where to where they reach, and the records in them."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import translate
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, OffsetSpec

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, reading_properties
from watcher.config.topics.name import topic_pattern
from watcher.consumer.connection import schema_reader
from watcher.consumer.delivered import DeliveredMessage, Partition, parse
from watcher.consumer.kafka_errors import BAD_SETTING, is_refused_login, read_error, read_errors
from watcher.decoding.places import TopicPlaces
from watcher.librdkafka import list_offsets

CONNECT_SECONDS = 5.0
"""Time allowed for reaching Kafka, in seconds."""

TRY_SECONDS = 2.5
ANSWER_SECONDS = 10.0
"""Longest time, in seconds, that Kafka may take to send more records once it was reached."""

READ_STEP_SECONDS = 0.1
RECORDS_AT_ONCE = 500
RECORDS_IN_HAND = 4
"""Whole records in memory at once while the past is read, besides those that librdkafka holds."""

QUEUE_KBYTES = 4 * 1024

_log = logging.getLogger("watcher.consumer.librdkafka")
_log.addHandler(logging.NullHandler())  # librdkafka's own log; errors that matter are raised


NO_FAULT = {
    KafkaError._PARTITION_EOF,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # the topic was deleted meanwhile
    KafkaError.GROUP_AUTHORIZATION_FAILED,  # librdkafka looks for the group's coordinator, though no group is ever used
}


class WatcherTopics:
    """All topics of one watcher, read_committed, without a trace in Kafka. All methods raise NotPermitted, ConfigurationError or
    ReadError."""

    def __init__(self, settings: Settings, others: Iterable[str] = ()) -> None:
        """`others` are names and globs of topics that the settings do not tell, as a transform may name them."""
        self._settings = settings
        self._patterns = [topic_pattern(template, settings.scope.single) for template in set(settings.topic_templates.values())]
        self._patterns += [re.compile(translate(other)) for other in others]
        self._places = places_of(settings)
        self._trouble: KafkaError | None = None
        self._assigned: set[Partition] = set()
        with read_errors(settings):
            self._consumer = Consumer(self._config())
            self._admin = AdminClient(client_properties(settings), logger=_log)

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def partitions(self) -> set[Partition]:
        """Return the partitions that may hold messages. Tries for CONNECT_SECONDS, unless the login is refused."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return self._partitions()
            except KafkaException as error:
                self._consumer.poll(0)  # lets librdkafka pass the reason to `_note`
                trouble = self._trouble or error.args[0]
                if is_refused_login(trouble) or trouble.code() in BAD_SETTING or time.monotonic() >= deadline:
                    raise read_error(trouble, self._settings) from error

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the offset behind the last committed record of each partition."""
        return self._offsets(partitions, OffsetSpec.latest())

    def firsts(
        self, partitions: Iterable[Partition], ends: Mapping[Partition, int], since: datetime | None
    ) -> dict[Partition, int]:
        """Return the offset of the earliest record of each partition. With `since`, of the earliest that is no older."""
        if since is None:
            return self._offsets(partitions, OffsetSpec.earliest())
        found = self._offsets(partitions, OffsetSpec.for_timestamp(int(since.timestamp() * 1000)))
        return {partition: offset if offset >= 0 else ends[partition] for partition, offset in found.items()}

    def assign(self, starts: Mapping[Partition, int]) -> None:
        """Read each partition from its offset on."""
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
        self._assigned = set(starts)

    def take_up_new(self) -> bool:
        """Read the partitions that are new, too, from their beginning. Returns False if Kafka is away."""
        try:
            new = self._partitions() - self._assigned
        except KafkaException:
            return False
        if new:
            with read_errors(self._settings):
                self._consumer.incremental_assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in new])
            self._assigned |= new
        return True

    def records(self) -> list[Record]:
        """Return the next records. Call it only when more must come: it raises ReadError after ANSWER_SECONDS without any."""
        deadline = time.monotonic() + ANSWER_SECONDS
        with read_errors(self._settings):
            while not (records := self._consumer.consume(RECORDS_IN_HAND, READ_STEP_SECONDS)):
                if time.monotonic() >= deadline:
                    raise KafkaException(self._trouble or KafkaError(KafkaError._TIMED_OUT))
            return records

    def arrived(self, timeout_s: float) -> list[Record]:
        """Return the records that are there, or that come within `timeout_s` seconds."""
        with read_errors(self._settings):
            return self._consumer.consume(RECORDS_AT_ONCE, timeout_s)

    def hold_back(self, before: set[Partition], now: set[Partition]) -> set[Partition]:
        """Hold back the partitions in `now`, and resume the others of `before`."""
        self._consumer.pause([TopicPartition(*partition) for partition in now - before])
        self._consumer.resume([TopicPartition(*partition) for partition in before - now])
        return now

    def delivered(self, record: Record) -> DeliveredMessage | None:
        """Return the message in a record if it is this watcher's, else None."""
        error = record.error()
        if error is None:
            return parse(record, self._settings.kafka_client_id, self._places)
        if error.code() in NO_FAULT:
            return None
        raise read_error(error, self._settings)

    def _config(self) -> dict[str, Any]:
        return {
            **reading_properties(self._settings),
            "auto.offset.reset": "earliest",  # records that retention has deleted meanwhile are passed over
            "fetch.wait.max.ms": 50,  # librdkafka reports the end of a partition only after an empty fetch
            "queued.max.messages.kbytes": QUEUE_KBYTES,
            "fetch.queue.backoff.ms": 10,  # by default a full queue stops fetching for a second, and large messages fill it at once
            "error_cb": self._note,
            "logger": _log,
        }

    def _note(self, error: KafkaError) -> None:
        self._trouble = error

    def _partitions(self) -> set[Partition]:
        topics = self._consumer.list_topics(timeout=TRY_SECONDS).topics
        mine = [name for name in topics if any(pattern.match(name) for pattern in self._patterns)]
        return {(name, number) for name in mine for number in topics[name].partitions}

    def _offsets(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        with read_errors(self._settings):
            return list_offsets(self._admin, partitions, spec, IsolationLevel.READ_COMMITTED, request_s=ANSWER_SECONDS)


def places_of(settings: Settings) -> TopicPlaces:
    """Return what the names of a watcher's topics say of the documents in them."""
    scope = settings.scope
    only = scope.pattern_of(scope.watch_collections[0]).collection if len(scope.watch_collections) == 1 else ""
    return TopicPlaces(settings.topic_templates["insert"], scope.single or "", only, schema_reader(settings.schema_registry))


def partition_of(record: Record) -> Partition:
    """Return the partition that a record is in."""
    return record.topic() or "", record.partition() or 0


def reached(record: Record, ends: Mapping[Partition, int]) -> set[Partition]:
    """Return the record's partition if it is now read to its end, else nothing.

    The last offsets may be markers of transactions, for which there is no record. Then the end comes as an event with its offset.
    """
    partition, is_record = partition_of(record), record.error() is None
    return {partition} if (record.offset() or 0) + is_record >= ends.get(partition, 0) else set()
