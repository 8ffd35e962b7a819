"""Knowledge of a watcher's earlier messages from its own topics, for a worker that finds neither a position nor a trace of one.

So a position topic that was deleted is not taken for a first start, not even on a host that has never run the watcher. The last
message of each partition is looked at. In a topic that several watchers share it may be another one's, which tells nothing.
"""

from __future__ import annotations

import contextlib
from typing import Any

import orjson

from watcher.config import Settings
from watcher.config.topics.name import topic_pattern
from watcher.errors import NotPermitted
from watcher.kafka.errors import translated
from watcher.kafka.log_reader import LogReader, Partition, Record, partition_of
from watcher.kafka.position_reader import READ_SECONDS
from watcher.kafka.properties import ErrorCallback, admin_config, reader_config
from watcher.model import Delivered
from watcher.operations import SEQUENCE_HEADER, WATCHER_HEADER

TAIL = 8
"""Offsets before a partition's end at which to start looking. A message and its transaction's marker take two."""


def earlier_messages(settings: Settings, on_error: ErrorCallback) -> Delivered:
    """Return what the watcher's topics tell of messages that it has delivered; nothing without the right to read them.

    Errors: Outage.
    """
    patterns = [topic_pattern(template, settings.scope.single) for template in set(settings.topic_templates.values())]
    consumer, admin = reader_config(settings, on_error), admin_config(settings, on_error)
    numbers: list[int] = []
    with contextlib.suppress(NotPermitted), translated("reading the last messages"):
        with LogReader(consumer, admin, request_s=READ_SECONDS, stall_s=READ_SECONDS) as log:
            partitions = log.partitions(lambda name: any(pattern.match(name) for pattern in patterns))
            last = _last_records(log, log.firsts(partitions), log.stable_ends(partitions))
        numbers = [number for record in last if (number := number_of(record, settings.kafka_client_id))]
    return Delivered(any=bool(numbers), sequence=max(numbers, default=0))


def number_of(record: Record, client_id: str) -> int:
    """Return the number of a record of this watcher's, from its headers or else its value; 0 for anything else."""
    headers = dict(record.headers() or [])
    if headers.get(WATCHER_HEADER) != client_id.encode():
        return sequence_of(record.value() or b"", client_id)
    with contextlib.suppress(ValueError):
        return int(headers.get(SEQUENCE_HEADER) or 0)
    return 0


def sequence_of(value: bytes, client_id: str) -> int:
    """Return the number in a value of this watcher's; 0 for anything else."""
    with contextlib.suppress(ValueError):
        message: Any = orjson.loads(value)
        if isinstance(message, dict) and message.get("watcher") == client_id and isinstance(message.get("sequence"), int):
            return int(message["sequence"])
    return 0


def _last_records(log: LogReader, firsts: dict[Partition, int], ends: dict[Partition, int]) -> list[Record]:
    """Read the last committed record of each partition, backwards in growing steps: aborted transactions leave offsets without
    one."""
    found: dict[Partition, Record] = {}
    span = TAIL
    left = {partition for partition, end in ends.items() if firsts[partition] < end}
    while left:
        starts = {partition: max(firsts[partition], ends[partition] - span) for partition in left}
        for records in log.read(starts, {partition: ends[partition] for partition in left}):
            found.update({partition_of(record): record for record in records})
        left = {partition for partition in left - found.keys() if starts[partition] > firsts[partition]}
        span *= 8
    return [*found.values()]
