"""Costs of DatabaseChangeConsumer per message, compared with a bare loop of confluent-kafka and orjson.

`python -m benchmarks.consumer` starts Apache Kafka, writes messages to three topics, and reads them all by turns: with the bare
loop, and with the library (order by sequence, redelivery window, routing, offsets). Both run in one process, so their difference
means something on a busy machine too; the median of several rounds is told, in µs of this thread's CPU and of the clock.

CPU counts from before the group is joined, the clock from the first record that Kafka gave: the library reads and parses many
messages before it hands out the first.
"""

from __future__ import annotations

import json
import logging
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import orjson
from confluent_kafka import Consumer, Producer
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support import apache_kafka
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer, session
from watcher.consumer.reading.feed import Feed
from watcher.sandbox.kafka import ApacheKafka, Broker

MESSAGES = 60_000
ROUNDS = 7
PARTITIONS = 3
TRANSACTION = 1000
OPERATIONS = ("insert", "update", "delete")
TOPICS = [f"benchmark.{operation}" for operation in OPERATIONS]
QUIET = logging.getLogger("benchmarks.kafka")


class Cost(NamedTuple):
    """Of one message, in µs."""

    cpu: float
    clock: float


def message(sequence: int) -> bytes:
    """A message as a watcher writes it."""
    key = f"65f0c1a2b3c4d5e6f7{sequence % 5000:06d}"
    document = {"_id": key, "name": "Ada Lovelace", "email": "ada@example.org", "roles": ["practitioner"], "bio": "x" * 200}
    value = {
        "operationType": OPERATIONS[sequence % 3],
        "database": "dashboard",
        "collection": "users",
        "documentKey": {"_id": key},
        "timestamp": "2024-01-01T12:00:00.756Z",
        "fullDocument": document,
        "eventId": f"{sequence:096X}",
        "watcher": "dashboard-watcher",
        "sequence": sequence,
    }
    return json.dumps(value).encode()


def fill(broker: Broker) -> None:
    """Write MESSAGES messages, in transactions."""
    admin = AdminClient(broker.admin_properties(), logger=QUIET)
    for created in admin.create_topics([NewTopic(topic, PARTITIONS) for topic in TOPICS]).values():
        created.result()
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "benchmark"}, logger=QUIET)
    producer.init_transactions()
    for first in range(1, MESSAGES + 1, TRANSACTION):
        producer.begin_transaction()
        for sequence in range(first, first + TRANSACTION):
            producer.produce(TOPICS[sequence % 3], message(sequence), str(sequence % 5000))
        producer.commit_transaction()


class Stopwatch:
    """CPU since it was made, and clock since the first record."""

    def __init__(self) -> None:
        self._cpu = time.thread_time()
        self._clock: float | None = None

    def saw(self, records: list[Record]) -> None:
        """Kafka gave these."""
        if self._clock is None and any(record.error() is None for record in records):
            self._clock = time.perf_counter()

    def cost(self) -> Cost:
        """Of each of MESSAGES messages, up to now."""
        cpu, clock = time.thread_time() - self._cpu, time.perf_counter() - (self._clock or 0.0)
        return Cost(cpu / MESSAGES * 1e6, clock / MESSAGES * 1e6)


def bare(broker: Broker) -> Cost:
    """consume() and orjson.loads(), nothing else."""
    config = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "queued.max.messages.kbytes": 16 * 1024,
    }
    stopwatch = Stopwatch()
    consumer = Consumer(config, logger=QUIET)
    consumer.subscribe(TOPICS)
    count = 0
    while count < MESSAGES:
        records = consumer.consume(500, 0.1)
        stopwatch.saw(records)
        for record in records:
            if record.error() is None:
                orjson.loads(record.value() or b"")
                count += 1
    result = stopwatch.cost()
    consumer.close()
    return result


def library(broker: Broker, options: ConsumerOptions) -> Cost:
    """The same with DatabaseChangeConsumer and a handler that does nothing."""
    stopwatch = Stopwatch()

    class TimedFeed(Feed):
        """Tells when the first record came; a few ns for each 500."""

        def read(self, timeout_s: float) -> list[Record]:
            records = super().read(timeout_s)
            stopwatch.saw(records)
            return records

    consumer = DatabaseChangeConsumer(broker.bootstrap, uuid.uuid4().hex, TOPICS, options=options)
    results: list[Cost] = []
    count = 0

    @consumer.on("users")
    def handle(_: Change) -> None:
        nonlocal count
        count += 1
        if count == MESSAGES:
            results.append(stopwatch.cost())
            consumer.stop()

    with patch.object(session, "Feed", TimedFeed):
        consumer.run()
    return results[0]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, ApacheKafka(Path(directory), home=apache_kafka.obtain()) as broker:
        fill(broker)
        runs: dict[str, Callable[[], Cost]] = {
            "bare loop": lambda: bare(broker),
            "library": lambda: library(broker, ConsumerOptions()),
            "library, ordered=False": lambda: library(broker, ConsumerOptions(ordered=False)),
        }
        rounds = [{name: run() for name, run in runs.items()} for _ in range(ROUNDS)]
    print(f"{MESSAGES:,} messages of {len(message(1))} bytes, {ROUNDS} rounds; µs a message: median, and over the bare loop")
    for name in runs:
        for kind in Cost._fields:
            costs = [getattr(each[name], kind) for each in rounds]
            over = [cost - getattr(each["bare loop"], kind) for cost, each in zip(costs, rounds, strict=True)]
            print(f"{name:25}{kind:7}{statistics.median(costs):8.2f}  {statistics.median(over):+8.2f}")


if __name__ == "__main__":
    main()
