"""Reads one watcher's messages: the latest ones, and new ones as they arrive. Leaves no trace in Kafka: no group, no offsets."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, OffsetSpec

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, reading_properties
from watcher.config.topics.name import topic_pattern
from watcher.consumer.delivered import DeliveredMessage, Message, Partition, Tail, parse, whole
from watcher.consumer.kafka_errors import BAD_SETTING, LOGIN_REFUSED, read_error, read_errors
from watcher.consumer.ordering.in_order import InOrder
from watcher.consumer.ordering.merge import Merge

CONNECT_SECONDS = 5.0
"""Time allowed for reaching Kafka, in seconds."""

TRY_SECONDS = 2.5
ANSWER_SECONDS = 10.0
"""Longest time, in seconds, that Kafka may take to send more records once it was reached."""

REFRESH_SECONDS = 1.0
"""Interval for looking for new topics, in seconds."""

READ_STEP_SECONDS = 0.1
SMALLEST_SPAN = 64
SPAN_GROWTH = 8
BOUNDED_SPAN = 8
"""Records per partition in the first read if the amount is limited. It is small because each record may be megabytes long."""

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


class MessageReader:
    """The messages of one watcher, from all its topics, read_committed, in the order of `sequence`. Close it, or use `with`.

    All methods raise NotPermitted, ConfigurationError or ReadError.
    """

    def __init__(self, settings: Settings, since: datetime | None = None) -> None:
        """`since` leaves out records whose timestamps in Kafka are earlier."""
        self._settings = settings
        self._since = since
        self._patterns = [topic_pattern(template, settings.database) for template in set(settings.topic_templates.values())]
        self._trouble: KafkaError | None = None
        self._assigned: set[Partition] = set()
        self._order = InOrder(next_sequence=1)
        self._next_refresh = 0.0
        self._answers = True
        self._found_all = True
        with read_errors(settings):
            self._consumer = Consumer(self._config())
            self._admin = AdminClient(client_properties(settings), logger=_log)

    @property
    def answers(self) -> bool:
        """False while Kafka is away; `poll` goes on when it is back."""
        return self._answers

    @property
    def found_all(self) -> bool:
        """False if `last` stopped at its limit before it had found all messages."""
        return self._found_all

    def last(
        self,
        count: int,
        wanted: Callable[[Message], bool] = lambda _: True,
        *,
        shrink: Callable[[DeliveredMessage], DeliveredMessage] = whole,
        most_bytes: float = math.inf,
    ) -> list[DeliveredMessage]:
        """Return the newest `count` messages that are `wanted`, oldest first. `shrink` may reduce each one. `poll` goes on after
        them.

        It reads the ends of the topics, and more and more of them, until it is certain that nothing is missing. It stops earlier if
        the next read would exceed about `most_bytes`; then there are fewer messages, see `found_all`.
        """
        partitions = self._ask_for_partitions()
        ends = self._offsets(partitions, OffsetSpec.latest())
        firsts = self._firsts(partitions, ends)
        span = max(count, SMALLEST_SPAN) if most_bytes == math.inf else BOUNDED_SPAN
        while True:
            starts = {partition: max(first, ends[partition] - span) for partition, first in firsts.items()}
            tail = Tail(count, wanted, shrink)
            read_bytes = self._read(starts, ends, tail)
            self._found_all = tail.is_complete([partition for partition, first in firsts.items() if starts[partition] > first])
            if self._found_all or read_bytes * SPAN_GROWTH > most_bytes:
                break
            span *= SPAN_GROWTH
        newest = tail.newest_sequence()
        self._order = InOrder(newest + 1 if newest is not None and count else None)
        return tail.messages() if self._found_all else tail.certain()

    def all(self, wanted: Callable[[Message], bool] = lambda _: True) -> Iterator[DeliveredMessage]:
        """Yield all messages that are `wanted`, oldest first, up to the present ends of the topics. `poll` goes on after them.

        Messages are yielded while they are read, so there may be any number of them.
        """
        partitions = self._ask_for_partitions()
        ends = self._offsets(partitions, OffsetSpec.latest())
        starts = self._firsts(partitions, ends)
        self._assign(starts)
        merge = Merge(partitions)
        for partition in partitions:
            if starts[partition] >= ends[partition]:
                merge.finish(partition)
        held_back: set[Partition] = set()
        while not merge.is_finished:
            for record in self._records():
                if delivered := self._delivered(record):
                    merge.add(delivered, wanted=wanted(delivered.message))
                for partition in _reached(record, ends):
                    merge.finish(partition)
            yield from merge.ready()
            held_back = self._hold_back(held_back, merge.overfull(held_back))
        self._hold_back(held_back, set())
        newest = merge.newest
        self._order = InOrder(newest + 1 if newest is not None else None)

    def poll(self, timeout_s: float) -> list[DeliveredMessage]:
        """Return the messages that have arrived since `last`, or from the very first one if `last` was not called. Waits up to
        `timeout_s` seconds.

        New topics are included. While Kafka is away, nothing comes.
        """
        if time.monotonic() >= self._next_refresh:
            self._take_up_new_topics()
            self._next_refresh = time.monotonic() + REFRESH_SECONDS
        with read_errors(self._settings):
            records = self._consumer.consume(RECORDS_AT_ONCE, timeout_s)
        for record in records:
            if delivered := self._delivered(record):
                self._order.add(delivered, time.monotonic())
        return self._order.ready(time.monotonic())

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

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

    def _ask_for_partitions(self) -> set[Partition]:
        """Return the partitions that may hold messages. Tries for CONNECT_SECONDS, unless the login is refused."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return self._partitions()
            except KafkaException as error:
                self._consumer.poll(0)  # lets librdkafka pass the reason to `_note`
                trouble = self._trouble or error.args[0]
                if trouble.code() in LOGIN_REFUSED | BAD_SETTING or time.monotonic() >= deadline:
                    raise read_error(trouble, self._settings) from error

    def _partitions(self) -> set[Partition]:
        topics = self._consumer.list_topics(timeout=TRY_SECONDS).topics
        mine = [name for name in topics if any(pattern.match(name) for pattern in self._patterns)]
        return {(name, number) for name in mine for number in topics[name].partitions}

    def _firsts(self, partitions: set[Partition], ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """The earliest offset to read in each partition."""
        if self._since is None:
            return self._offsets(partitions, OffsetSpec.earliest())
        found = self._offsets(partitions, OffsetSpec.for_timestamp(int(self._since.timestamp() * 1000)))
        return {partition: offset if offset >= 0 else ends[partition] for partition, offset in found.items()}

    def _offsets(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        request = {TopicPartition(*partition): spec for partition in partitions}
        if not request:
            return {}
        futures = self._admin.list_offsets(request, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS)
        with read_errors(self._settings):
            return {(asked.topic, asked.partition): int(future.result().offset) for asked, future in futures.items()}

    def _read(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int], tail: Tail) -> int:
        """Fill `tail` with everything from `starts` to `ends`, and a little more if more is written meanwhile. Return the number of
        bytes read.
        """
        self._assign(starts)
        unfinished = {partition for partition, start in starts.items() if start < ends[partition]}
        read_bytes = 0
        while unfinished:
            for record in self._records():
                read_bytes += len(record.value() or b"")
                if delivered := self._delivered(record):
                    tail.add(delivered)
                unfinished -= _reached(record, ends)
        return read_bytes

    def _assign(self, starts: Mapping[Partition, int]) -> None:
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
        self._assigned = set(starts)

    def _records(self) -> list[Record]:
        """Return the next records. Call it only when more must come: it raises ReadError after ANSWER_SECONDS without any."""
        deadline = time.monotonic() + ANSWER_SECONDS
        with read_errors(self._settings):
            while not (records := self._consumer.consume(RECORDS_IN_HAND, READ_STEP_SECONDS)):
                if time.monotonic() >= deadline:
                    raise KafkaException(self._trouble or KafkaError(KafkaError._TIMED_OUT))
            return records

    def _hold_back(self, before: set[Partition], now: set[Partition]) -> set[Partition]:
        """Hold back the partitions in `now`, and resume the others of `before`."""
        self._consumer.pause([TopicPartition(*partition) for partition in now - before])
        self._consumer.resume([TopicPartition(*partition) for partition in before - now])
        return now

    def _take_up_new_topics(self) -> None:
        try:
            new = self._partitions() - self._assigned
        except KafkaException:
            self._answers = False
            return
        self._answers = True
        if new:
            with read_errors(self._settings):
                self._consumer.incremental_assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in new])
            self._assigned |= new

    def _delivered(self, record: Record) -> DeliveredMessage | None:
        """Return the message in a record if it is this watcher's, else None."""
        error = record.error()
        if error is None:
            return parse(_partition(record), record.value(), self._settings.kafka_client_id)
        if error.code() in NO_FAULT:
            return None
        raise read_error(error, self._settings)


def _partition(record: Record) -> Partition:
    return record.topic() or "", record.partition() or 0


def _reached(record: Record, ends: Mapping[Partition, int]) -> set[Partition]:
    """Return the record's partition if it is now read to its end, else nothing.

    The last offsets may be markers of transactions, for which there is no record. Then the end comes as an event with its offset.
    """
    partition, is_record = _partition(record), record.error() is None
    return {partition} if (record.offset() or 0) + is_record >= ends.get(partition, 0) else set()
