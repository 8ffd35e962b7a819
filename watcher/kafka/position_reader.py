"""Reads the last committed position back from Kafka.

The position is in a compacted topic that has one partition and belongs to one watcher alone. In a shared partition another
watcher's open transaction would hide it: a read_committed reader stops at the last stable offset.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from watcher.config import Settings
from watcher.errors import Outage
from watcher.kafka.errors import translated
from watcher.kafka.log_reader import EndNotReached, LogReader, Partition, Record
from watcher.kafka.position import (
    CLAIM_KEY,
    HISTORY_KEY,
    POSITION_KEY,
    SETTINGS_KEY,
    SNAPSHOT_KEY,
    Saved,
    load,
    load_stamp,
    newest_snapshot_of,
    readable_snapshot,
)
from watcher.kafka.position_topic import POSITION_PARTITION
from watcher.kafka.properties import ErrorCallback, admin_config, reader_config
from watcher.librdkafka import SETTLE_SECONDS
from watcher.model import Snapshot

READ_SECONDS = 15.0
"""Longest wait for an answer, or for the next record."""

TAIL = 64
"""Offsets before the end at which to start looking. A position and its transaction's marker take two."""


class Found(NamedTuple):
    """A record that was found: its offset, its text, and when Kafka received it (seconds since 1970), if Kafka tells that."""

    offset: int
    text: bytes
    received_at: float | None


class PositionReader:
    """Reads the tail of a watcher's position topic without disturbing its writer."""

    def __init__(
        self,
        settings: Settings,
        on_error: ErrorCallback,
        partition: int = POSITION_PARTITION,
        *,
        settle_s: float = SETTLE_SECONDS,
    ) -> None:
        """Another `partition` may hold a position that an older release wrote after somebody had added partitions. `settle_s` is as
        for `LogReader`."""
        self._settings = settings
        self._partition = (settings.position_topic, partition)
        self._on_error = on_error
        self._settle_s = settle_s

    def read(self) -> Saved:
        """Read what has been committed up to the topic's present end.

        Errors: Outage, also if the end cannot be reached in time, which never counts as "no position"; PositionLost.
        """
        with self._log() as log:
            first, end = self._bounds(log, log.ends)
            return self._read(log, first, end)

    def read_so_far(self, *, newest_snapshot: bool = False) -> Saved:
        """Read as `read` does, but without waiting for an open transaction. That is enough to see who the owner is. With
        `newest_snapshot` also read that, which may lie far before the end."""
        with self._log() as log:
            first, end = self._bounds(log, log.stable_ends)
            return self._read(log, first, end, newest_snapshot=newest_snapshot)

    def read_history(self) -> bytes | None:
        """Read the text of the last history, None if there is none. Errors: Outage."""
        return self._read_text(HISTORY_KEY)

    def read_settings(self) -> tuple[bytes, float | None]:
        """Read the text of the settings of the last worker with a lease, empty if there is none, and when Kafka received it, in
        seconds since 1970 and if Kafka tells that. Errors: Outage."""
        found = self._read_record(SETTINGS_KEY)
        return (found.text, found.received_at) if found else (b"", None)

    def read_last_snapshot(self) -> Snapshot | None:
        """Read the last snapshot that stands there, whatever has become of the position. None if none can be read. Errors:
        Outage."""
        return readable_snapshot(self._read_text(SNAPSHOT_KEY))

    def _read_text(self, key: bytes) -> bytes | None:
        found = self._read_record(key)
        return found.text if found else None

    def _read_record(self, key: bytes) -> Found | None:
        """Read the last record of a key, which may lie far before the end."""
        with self._log() as log:
            first, end = self._bounds(log, log.stable_ends)
            return self._last_records(log, first, end, key).get(key)

    def _log(self) -> LogReader:
        consumer, admin = reader_config(self._settings, self._on_error), admin_config(self._settings, self._on_error)
        return LogReader(consumer, admin, request_s=READ_SECONDS, stall_s=READ_SECONDS, settle_s=self._settle_s)

    def _bounds(self, log: LogReader, ends: Callable[[list[Partition]], dict[Partition, int]]) -> tuple[int, int]:
        with translated(f"asking for the offsets of {self._settings.position_topic}"):
            log.connect()
            return log.firsts([self._partition])[self._partition], ends([self._partition])[self._partition]

    def _read(self, log: LogReader, first: int, end: int, *, newest_snapshot: bool = False) -> Saved:
        last = self._last_records(log, first, end, POSITION_KEY)
        newest = max((last[key] for key in (POSITION_KEY, CLAIM_KEY) if key in last), default=None)

        def snapshot_text() -> bytes | None:
            records = last if SNAPSHOT_KEY in last else self._last_records(log, first, end, SNAPSHOT_KEY)
            found = records.get(SNAPSHOT_KEY)
            return found.text if found else None

        position = load(last[POSITION_KEY].text, snapshot_text) if POSITION_KEY in last else None
        text = snapshot_text() if newest_snapshot or SNAPSHOT_KEY in last else None
        return Saved(
            position=position,
            stamp=load_stamp(newest.text) if newest else None,
            written=load_stamp(last[POSITION_KEY].text) if POSITION_KEY in last else None,
            emptied=POSITION_KEY not in last and first > 0,
            newest_snapshot=newest_snapshot_of(position, text),
            received_at=newest.received_at if newest else None,
        )

    def _last_records(self, log: LogReader, first: int, end: int, key: bytes) -> dict[bytes, Found]:
        """Read the last record of each key, from far enough back that `key` is among them, if it exists.

        The search goes backwards from the tail in growing steps, because aborted transactions and compaction leave offsets without
        a record.
        """
        span = TAIL
        with translated(f"reading {self._settings.position_topic}"):
            while key not in (last := self._last_since(log, max(first, end - span), end)) and end - span > first:
                span *= 8
        return last

    def _last_since(self, log: LogReader, start: int, end: int) -> dict[bytes, Found]:
        """Read the last record of each key between two offsets."""
        try:
            return {
                record.key() or POSITION_KEY: Found(record.offset() or 0, record.value() or b"", _received_at(record))
                for records in log.read({self._partition: start}, {self._partition: end})
                for record in records
            }
        except EndNotReached as error:
            raise Outage(
                f"Kafka: {self._settings.position_topic} could not be read to its end within {READ_SECONDS:.0f} s.",
                hint="A transaction may still be open there; the worker tries again.",
                component="kafka",
                code="position_not_read",
            ) from error


def _received_at(record: Record) -> float | None:
    kind, time_ms = record.timestamp()
    return time_ms / 1000 if kind == TIMESTAMP_LOG_APPEND_TIME else None
