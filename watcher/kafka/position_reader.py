"""Reads the last committed position back from Kafka.

The position is in a compacted topic that has one partition and belongs to one watcher alone. In a shared partition another
watcher's open transaction would hide it: a read_committed reader stops at the last stable offset.
"""

from __future__ import annotations

import time

from confluent_kafka import Consumer, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from watcher.config import Settings
from watcher.errors import Outage
from watcher.kafka.errors import as_watcher_error, translated
from watcher.kafka.position import CLAIM_KEY, HISTORY_KEY, POSITION_KEY, Saved, load, load_stamp
from watcher.kafka.position_topic import POSITION_PARTITION
from watcher.kafka.properties import ErrorCallback, admin_config, reader_config

READ_SECONDS = 15.0
TAIL = 64
"""Offsets before the end at which to start looking. A position and its transaction's marker take two."""


class PositionReader:
    """Reads the tail of a watcher's position topic without disturbing its writer."""

    def __init__(self, settings: Settings, on_error: ErrorCallback, partition: int = POSITION_PARTITION) -> None:
        """Another `partition` may hold a position that an older release wrote after somebody had added partitions."""
        self._settings = settings
        self._topic = settings.position_topic
        self._partition = partition
        self._on_error = on_error

    def read(self) -> Saved:
        """Read what has been committed up to the topic's present end.

        Errors: Outage, also if the end cannot be reached in time, which never counts as "no position"; PositionLost.
        """
        first, end = self._offsets()
        return self._read(first, end, wanted=end)

    def read_so_far(self) -> Saved:
        """Read as `read` does, but without waiting for an open transaction. That is enough to see who the owner is."""
        first, end = self._offsets()
        return self._read(first, end, wanted=first)

    def read_history(self) -> bytes | None:
        """Read the text of the last history, None if there is none. It may lie far before the end. Errors: Outage."""
        first, end = self._offsets()
        _, text = self._last_records(first, end, first, HISTORY_KEY).get(HISTORY_KEY, (0, None))
        return text

    def _offsets(self) -> tuple[int, int]:
        """Read the first offset and the end offset from the admin client: a consumer's watermarks stop at the last stable
        offset."""
        admin = AdminClient(admin_config(self._settings, self._on_error))
        partition = TopicPartition(self._topic, self._partition)
        offsets = []
        with translated(f"asking for the offsets of {self._topic}"):
            # A client that asks for offsets before it is connected may look for the leader again only after one or three seconds.
            admin.list_topics(timeout=READ_SECONDS)
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):
            with translated(f"asking for the offsets of {self._topic}"):
                futures = admin.list_offsets(
                    {partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=READ_SECONDS
                )
                offsets.append(int(futures[partition].result().offset))
        return offsets[0], offsets[1]

    def _read(self, first: int, end: int, *, wanted: int) -> Saved:
        last = self._last_records(first, end, wanted, POSITION_KEY)
        newest = max((last[key] for key in (POSITION_KEY, CLAIM_KEY) if key in last), default=None)
        return Saved(
            position=load(last[POSITION_KEY][1]) if POSITION_KEY in last else None,
            stamp=load_stamp(newest[1]) if newest else None,
            emptied=POSITION_KEY not in last and first > 0,
        )

    def _last_records(self, first: int, end: int, wanted: int, key: bytes) -> dict[bytes, tuple[int, bytes]]:
        """Read the last record of each key, from far enough back that `key` is among them, if it exists.

        The search goes backwards from the tail in growing steps, because aborted transactions and compaction leave offsets without
        a record.
        """
        if first == end:
            return {}
        with translated(f"reading {self._topic}"):
            consumer = Consumer(reader_config(self._settings, self._on_error))
            try:
                span = TAIL
                while key not in (last := self._last_since(consumer, max(first, end - span), wanted)) and end - span > first:
                    span *= 8
                return last
            finally:
                consumer.close()

    def _last_since(self, consumer: Consumer, start: int, wanted: int) -> dict[bytes, tuple[int, bytes]]:
        """Read the last record of each key from `start` on, with its offset, up to the first end of partition at or after
        `wanted`."""
        consumer.assign([TopicPartition(self._topic, self._partition, start)])
        deadline = time.monotonic() + READ_SECONDS
        last: dict[bytes, tuple[int, bytes]] = {}
        while True:
            message = consumer.poll(max(0.0, deadline - time.monotonic()))
            if message is None:
                raise self._too_late()
            offset = message.offset() or 0
            if (error := message.error()) is None:
                last[message.key() or POSITION_KEY] = (offset, message.value() or b"")
            elif error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue  # librdkafka asks for the group's coordinator, but no group is used, so the right is not needed
            elif error.code() != KafkaError._PARTITION_EOF:
                raise as_watcher_error(error, f"reading {self._topic}")
            # Only the offset of the end-of-partition event counts the markers of transactions, which no message shows.
            elif offset >= wanted:
                return last

    def _too_late(self) -> Outage:
        return Outage(
            f"Kafka: {self._topic} could not be read to its end within {READ_SECONDS:.0f} s.",
            hint="A transaction may still be open there; the worker tries again.",
            component="kafka",
            code="position_not_read",
        )
