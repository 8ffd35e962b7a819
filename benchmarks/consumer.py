"""What DatabaseChangeConsumer costs per message, compared with a bare loop of confluent-kafka and orjson.

`python -m benchmarks.consumer` starts Apache Kafka, writes messages to three topics, and reads them all by turns: with the bare
loop, and with the library (order by sequence, redelivery window, routing, offsets). Both run in one process, so their difference
means something on a busy machine too; the median of several rounds is told, in µs of this thread's CPU and of the clock.
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

import orjson
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support import apache_kafka
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer
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
    """From the first message to the last."""

    def __init__(self) -> None:
        self.count = 0
        self._started = (0.0, 0.0)

    def count_one(self) -> None:
        """Another message was handled."""
        if self.count == 0:
            self._started = (time.thread_time(), time.perf_counter())
        self.count += 1

    def cost(self) -> Cost:
        """Since the first message."""
        cpu, clock = self._started
        return Cost((time.thread_time() - cpu) / self.count * 1e6, (time.perf_counter() - clock) / self.count * 1e6)


def bare(broker: Broker) -> Cost:
    """consume() and orjson.loads(), nothing else."""
    config = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "queued.max.messages.kbytes": 16 * 1024,
    }
    consumer = Consumer(config, logger=QUIET)
    consumer.subscribe(TOPICS)
    stopwatch = Stopwatch()
    while stopwatch.count < MESSAGES:
        for record in consumer.consume(500, 0.1):
            if record.error() is None:
                stopwatch.count_one()
                orjson.loads(record.value() or b"")
    result = stopwatch.cost()
    consumer.close()
    return result


def library(broker: Broker, options: ConsumerOptions) -> Cost:
    """The same with DatabaseChangeConsumer and a handler that does nothing."""
    consumer = DatabaseChangeConsumer(broker.bootstrap, uuid.uuid4().hex, TOPICS, options=options)
    stopwatch = Stopwatch()
    results = []

    @consumer.on("users")
    def handle(_: Change) -> None:
        stopwatch.count_one()
        if stopwatch.count == MESSAGES:
            results.append(stopwatch.cost())
            consumer.stop()

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
