"""Reads the committed records of partitions between given offsets. Leaves no trace in Kafka: no group, no offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from watcher.librdkafka import SETTLE_SECONDS, list_offsets

Record = Message
Partition = tuple[str, int]
"""Topic, and the partition's number in it."""

STEP_SECONDS = 0.2
RECORDS_AT_ONCE = 1000

TOPIC_GONE = KafkaError.UNKNOWN_TOPIC_OR_PART
"""Code of the error about a topic that was deleted."""


class EndNotReached(KafkaException):
    """Nothing more came for too long. A transaction that is still open holds back the end of its partition."""

    def __init__(self) -> None:
        super().__init__(KafkaError(KafkaError._TIMED_OUT))


class LogReader:
    """A consumer of assigned partitions, with an admin client that knows their bounds. All methods raise KafkaException."""

    def __init__(
        self,
        consumer: Mapping[str, Any],
        admin: Mapping[str, Any],
        *,
        request_s: float,
        stall_s: float,
        settle_s: float = SETTLE_SECONDS,
        tolerated: Collection[int] = (),
    ) -> None:
        """`consumer` and `admin` are librdkafka's properties. `request_s` is the longest wait for an answer about topics, `stall_s`
        the longest time without progress in `read`, in seconds. `settle_s` is the longest wait for a broker to hear of a topic, in
        seconds: 0 where it may not be there. `tolerated` are codes of errors that `read` passes over.
        """
        self._properties = dict(consumer)
        self._admin = AdminClient(dict(admin))
        self._consumer: Consumer | None = None
        self._request_s = request_s
        self._stall_s = stall_s
        self._settle_s = settle_s
        # librdkafka looks for the group's coordinator, though no group is ever used, so the right is not needed.
        self._passed_over = {KafkaError.GROUP_AUTHORIZATION_FAILED, *tolerated}
        self.positions: dict[Partition, int] = {}
        """The next offset of each partition that the present `read`, or the last one, has assigned."""

    def connect(self) -> None:
        """Connect before the first question about offsets: a client that is not connected then may look for a partition's leader
        again only after one or three seconds."""
        self._admin.list_topics(timeout=self._request_s)

    def partitions(self, is_wanted: Callable[[str], bool]) -> set[Partition]:
        """Return the partitions of the topics that are wanted."""
        topics = self._admin.list_topics(timeout=self._request_s).topics
        return {(name, number) for name in topics if is_wanted(name) for number in topics[name].partitions}

    def firsts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the first offset that each partition still has."""
        return self._offsets(partitions, OffsetSpec.earliest())

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the offset after the last record of each partition, whether it is committed or not."""
        return self._offsets(partitions, OffsetSpec.latest())

    def stable_ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the last stable offset of each partition, before which no transaction is open."""
        return self._offsets(partitions, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)

    def at(self, partitions: Iterable[Partition], time_ms: int) -> dict[Partition, int]:
        """Return the offset of the first record from that time on (milliseconds since 1970); -1 if there is none."""
        return self._offsets(partitions, OffsetSpec.for_timestamp(time_ms))

    def read(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int]) -> Iterator[Sequence[Record]]:
        """Yield the records between `starts` and `ends`, as they come, in the order of each partition, and maybe a few after them.

        `positions` follows. Errors: EndNotReached.
        """
        self.positions = {partition: starts[partition] for partition, end in ends.items() if starts[partition] < end}
        if not self.positions:
            return
        self._assigned().assign([TopicPartition(*partition, start) for partition, start in self.positions.items()])
        deadline = time.monotonic() + self._stall_s
        while any(position < ends[partition] for partition, position in self.positions.items()):
            before = dict(self.positions)
            yield [record for record in self._arrived() if self._note(record)]
            if self.positions != before:
                deadline = time.monotonic() + self._stall_s
            elif time.monotonic() >= deadline:
                raise EndNotReached

    def close(self) -> None:
        """Leave Kafka."""
        if self._consumer:
            self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _offsets(
        self,
        partitions: Iterable[Partition],
        spec: OffsetSpec,
        # A consumer's own watermarks stop at the last stable offset.
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[Partition, int]:
        return list_offsets(self._admin, partitions, spec, isolation, request_s=self._request_s, settle_s=self._settle_s)

    def _assigned(self) -> Consumer:
        """The consumer, made when there is something to read."""
        self._consumer = self._consumer or Consumer(self._properties)
        return self._consumer

    def _arrived(self) -> list[Record]:
        """Wait a moment for a record; return it and those behind it. `consume` alone would wait until it has all that it may
        give."""
        consumer = self._assigned()
        first = consumer.poll(STEP_SECONDS)
        return [first, *consumer.consume(RECORDS_AT_ONCE, 0)] if first else []

    def _note(self, record: Record) -> bool:
        """Take the position from a record, or from what comes in the place of one; returns True if it is a record."""
        partition, offset, error = partition_of(record), record.offset() or 0, record.error()
        if error is None:
            self.positions[partition] = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:  # its offset also counts the markers of transactions, which are no records
            self.positions[partition] = max(self.positions[partition], offset)
        elif error.code() not in self._passed_over:
            raise KafkaException(error)
        return error is None


def partition_of(record: Record) -> Partition:
    """Topic and partition of a record."""
    return record.topic() or "", record.partition() or 0
