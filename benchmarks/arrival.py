"""When a backlog has arrived in Kafka: measured from outside, the same for every program that delivers it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.load import DOCUMENTS, END
from benchmarks.usage import Usage

ARRIVAL_SECONDS = 900.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How a backlog was delivered; CPU seconds by process, for a million events each."""

    events_per_second: float
    cpu_seconds_per_million: Mapping[str, float]
    seconds: float


class Arrivals:
    """Looks for a backlog in the topics `<prefix>.documents` and `<prefix>.end`, which it creates with one partition each.

    It reads nothing of the first and one message of the other, so it costs nearly nothing.
    """

    def __init__(self, brokers: str, prefix: str) -> None:
        self._documents = TopicPartition(f"{prefix}.{DOCUMENTS}", 0)
        end = TopicPartition(f"{prefix}.{END}", 0, 0)
        admin = AdminClient({"bootstrap.servers": brokers})
        for future in admin.create_topics([NewTopic(each.topic, 1, 1) for each in (self._documents, end)]).values():
            future.result()
        self._consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"arrivals-{prefix}", "enable.auto.commit": False})
        self._consumer.assign([end])

    def measure(self, events: int, pids: Mapping[str, int], alive: Callable[[], Any] = lambda: None) -> CatchUp:
        """From the first committed messages to the end's: so the start of the program does not count.

        `pids`: whose CPU seconds to count. `alive` is called meanwhile, and may raise when the program has ended.
        """
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while not (already := self._arrived()):
            _look(alive, deadline)
            time.sleep(POLL_SECONDS)
        started, usage = time.perf_counter(), Usage(pids)
        while (message := self._consumer.poll(0.5)) is None or message.error():
            _look(alive, deadline)
        seconds, cpu = time.perf_counter() - started, usage.cpu_seconds()
        self._consumer.close()
        measured = events - already
        return CatchUp(measured / seconds, {name: used / measured * 1e6 for name, used in cpu.items()}, seconds)

    def _arrived(self) -> int:
        """How far readers of committed messages can read; markers of transactions count, one for a thousand messages or so."""
        return self._consumer.get_watermark_offsets(self._documents, timeout=10.0, cached=False)[1]


def _look(alive: Callable[[], Any], deadline: float) -> None:
    alive()
    if time.monotonic() > deadline:
        raise SystemExit(f"the backlog has not arrived within {ARRIVAL_SECONDS:.0f} s")
