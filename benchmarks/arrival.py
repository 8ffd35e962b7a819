"""Arrival of a backlog in Kafka: measured from outside, the same for every program that delivers it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.load import DOCUMENTS, END
from benchmarks.usage import Usage

ARRIVAL_SECONDS = 900.0
POLL_SECONDS = 0.02
AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Delivery of a backlog; CPU seconds by process, for a million events each."""

    events_per_second: float
    cpu_seconds_per_million: Mapping[str, float]
    seconds: float


class Arrivals:
    """Looks for a backlog in the topics `<prefix>.documents` and `<prefix>.end`, which it creates with one partition each.

    It reads nothing of the first, and of the other as many messages as there are `ends`: so it costs nearly nothing. Of a program
    that delivers no end (`ends` is 0) all messages of the first are awaited, which have no markers of transactions among them.

    The end's topic may have another prefix, `end_prefix`. `alike` is the number of topics that fill as fast as the first;
    the others are not looked at.
    """

    def __init__(self, brokers: str, prefix: str, *, ends: int = 1, end_prefix: str = "", alike: int = 1) -> None:
        self._brokers = brokers
        self._ends = ends
        self._alike = alike
        self._documents = TopicPartition(f"{prefix}.{DOCUMENTS}", 0, 0)
        end = TopicPartition(f"{end_prefix or prefix}.{END}", 0, 0)
        self._topics = [self._documents.topic, end.topic]
        self._admin = AdminClient({"bootstrap.servers": brokers})
        for future in self._admin.create_topics([NewTopic(topic, 1, 1) for topic in self._topics]).values():
            future.result()
        self._consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"arrivals-{prefix}", "enable.auto.commit": False})
        self._consumer.assign([end])
        self._arrived()  # connects, and finds the leader: that takes most of a second, and the first look must not come too late

    def measure(
        self,
        events: int,
        pids: Mapping[str, int],
        alive: Callable[[], Any] = lambda: None,
        *,
        timeout_s: float = ARRIVAL_SECONDS,
    ) -> CatchUp:
        """From the first committed messages to the end's: so the start of the program does not count.

        `pids`: whose CPU seconds to count. `alive` is called meanwhile, and may raise when the program has ended.

        Errors: SystemExit after `timeout_s`, or when more than half has arrived before the measuring began.
        """
        deadline = time.monotonic() + timeout_s
        while not (already := self._arrived()):
            _look(alive, deadline)
            time.sleep(POLL_SECONDS)
        if already > events / 2:
            raise SystemExit(f"{already} of {events} events had arrived at the first look: too few to measure")
        started, usage = time.perf_counter(), Usage(pids)
        ends = 0
        while ends < self._ends or (not self._ends and self._arrived() < events):
            ends += self._end_arrives()
            _look(alive, deadline)
        seconds, cpu = time.perf_counter() - started, usage.cpu_seconds()
        self._consumer.close()
        measured = events - already
        return CatchUp(measured / seconds, {name: used / measured * 1e6 for name, used in cpu.items()}, seconds)

    def wait_for_end(self, timeout_s: float = ARRIVAL_SECONDS) -> None:
        """Wait until one more end can be read. Errors: SystemExit after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self._end_arrives():
            _look(lambda: None, deadline)

    def count(self) -> int:
        """The committed messages of `<prefix>.documents`, by reading them all."""
        config = {"group.id": f"count-{self._documents.topic}", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer({"bootstrap.servers": self._brokers, **config})
        consumer.assign([self._documents])
        count, at_end = 0, False
        while not at_end:
            messages = consumer.consume(AT_ONCE, 10.0)
            count += sum(1 for message in messages if message.error() is None)
            at_end = any((error := message.error()) and error.code() == KafkaError._PARTITION_EOF for message in messages)
        consumer.close()
        return count

    def discard(self) -> None:
        """Delete both topics: the next program shall have the disk's cache for itself."""
        for future in self._admin.delete_topics(self._topics).values():
            future.result()

    def _end_arrives(self) -> bool:
        """Waits a moment for it."""
        if not self._ends:
            time.sleep(POLL_SECONDS)
            return False
        message = self._consumer.poll(0.5)
        return message is not None and message.error() is None

    def _arrived(self) -> int:
        """Return how far readers of committed messages can read; markers of transactions count, one for a thousand messages."""
        try:
            return self._alike * self._consumer.get_watermark_offsets(self._documents, timeout=10.0, cached=False)[1]
        except KafkaException:  # such as a topic that was made a moment ago and has no leader yet
            return 0


def _look(alive: Callable[[], Any], deadline: float) -> None:
    alive()
    if time.monotonic() > deadline:
        raise SystemExit("the backlog has not arrived in time")
