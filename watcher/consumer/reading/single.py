"""Reads one message by its place in Kafka, with all that Kafka has of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from confluent_kafka import Message as Record

from watcher.config import Settings
from watcher.consumer.delivered import DeliveredMessage, Partition
from watcher.consumer.reading.topics import WatcherTopics


@dataclass(frozen=True, slots=True)
class SingleMessage:
    """A message with its record's key, headers and timestamp. A record may lack each of them."""

    delivered: DeliveredMessage
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    at: datetime | None


def read_single(settings: Settings, partition: Partition, offset: int) -> SingleMessage | None:
    """Read the message at an offset. None if the watcher has no such topic, if nothing committed is there (any more), or if another
    program wrote it.

    Raises NotPermitted, ConfigurationError or ReadError.
    """
    with closing(WatcherTopics(settings)) as topics:
        if partition not in topics.partitions():
            return None
        ends = topics.ends([partition])
        firsts = topics.firsts([partition], ends, None)
        if not firsts[partition] <= offset < ends[partition]:
            return None
        topics.assign({partition: offset})
        record = topics.records()[0]
        delivered = topics.delivered(record)
        return _single(delivered, record) if delivered and delivered.offset == offset else None


def _single(delivered: DeliveredMessage, record: Record) -> SingleMessage:
    headers = cast("list[tuple[str, bytes | None]]", record.headers() or [])
    _, time_ms = record.timestamp()
    at = datetime.fromtimestamp(time_ms / 1000, UTC) if time_ms > 0 else None
    return SingleMessage(delivered, record.key(), tuple(headers), at)
