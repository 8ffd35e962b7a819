"""Reads whole topics, each time up to their ends at the call, for somebody who reads the errors."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, reading_properties
from watcher.config.topics.name import topic_pattern
from watcher.consumer.errors import ReadError
from watcher.consumer.kafka_errors import read_errors
from watcher.kafka.log_reader import TOPIC_GONE, EndNotReached, LogReader, Partition, Record

CONNECT_SECONDS = 10.0
STALL_SECONDS = 45.0
"""Longest time without a record before the end, in seconds. An open transaction holds back the end of its partition, by default for
at most 30 s.
"""

STALL_HINT = "A transaction is open there, which Kafka ends after its transaction.timeout.ms, or the partition has no leader."

QUEUE_KBYTES = 16 * 1024

Take = Callable[[Record], None]
Progress = Callable[[int, int], None]
"""Called with the amount done, and the total."""

_librdkafka = logging.getLogger("watcher.verification.librdkafka")
_librdkafka.addHandler(logging.NullHandler())


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
        with read_errors(settings):
            self._log = LogReader(
                {
                    **reading_properties(settings),
                    "auto.offset.reset": "earliest",  # records that retention deletes meanwhile are passed over
                    "queued.max.messages.kbytes": QUEUE_KBYTES,
                    "logger": _librdkafka,
                },
                {**client_properties(settings), "logger": _librdkafka},
                request_s=CONNECT_SECONDS,
                stall_s=STALL_SECONDS,
                tolerated=[TOPIC_GONE],
            )

    @property
    def topics(self) -> set[str]:
        """The topics that have been read."""
        return {topic for topic, _ in self._next}

    def read(self, take: Take, progress: Progress = lambda _done, _total: None) -> None:
        """Pass each record committed since the last call, or at first since the beginning, to `take`, in the order of each
        partition.

        The end is that of the log, not of the last committed record: an open transaction is waited for.
        """
        with read_errors(self._settings):
            ends = self._find_ends()
            total = self._behind(ends)
            try:
                for records in self._log.read(self._next, ends):
                    for record in records:
                        take(record)
                    self._next |= self._log.positions
                    progress(total - self._behind(ends), total)
            except EndNotReached as error:
                raise self._end_not_reached(ends) from error

    def exists(self, topic: str) -> bool:
        """True if Kafka has this topic."""
        with read_errors(self._settings):
            return bool(self._log.partitions(topic.__eq__))

    def record_at(self, partition: Partition, offset: int) -> Record | None:
        """Read one record again; None if it is gone."""
        with read_errors(self._settings), contextlib.suppress(EndNotReached):
            found = self._log.read({partition: offset}, {partition: offset + 1})
            first = next((record for records in found for record in records), None)
            return first if first and first.offset() == offset else None
        return None

    def close(self) -> None:
        """Close the connection to Kafka."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _behind(self, ends: dict[Partition, int]) -> int:
        return sum(max(0, end - self._next[partition]) for partition, end in ends.items())

    def _end_not_reached(self, ends: dict[Partition, int]) -> ReadError:
        topic, number = next(partition for partition, end in ends.items() if self._next[partition] < end)
        told = f"offset {self._next[topic, number]}, and its end is {ends[topic, number]}"
        return ReadError(
            f"Kafka gave no more of {topic} [{number}] for {STALL_SECONDS:.0f} s: it was read up to {told}.", hint=STALL_HINT
        )

    def _find_ends(self) -> dict[Partition, int]:
        """Return the present end of each partition. A new partition gets its first offset in `_next`."""
        partitions = self._log.partitions(self._wanted)
        new = partitions - self._next.keys()
        firsts, ends = self._log.firsts(new), self._log.ends(partitions)
        starts = self._log.at(new, self._since_ms) if self._since_ms is not None else firsts
        self._next |= {partition: start if start >= 0 else ends[partition] for partition, start in starts.items()}
        self.cut |= {partition for partition, first in firsts.items() if first > 0}
        return ends


def topics_of(settings: Settings, *operations: str) -> Callable[[str], bool]:
    """Return a function that is True for the topics that may hold the watcher's messages. With `operations` (`control` is one),
    only the topics of those.
    """
    templates = {template for name, template in settings.topic_templates.items() if not operations or name in operations}
    patterns = [topic_pattern(template, settings.scope.single) for template in templates]
    return lambda topic: any(pattern.match(topic) for pattern in patterns)
