"""From a committed write to a read_committed consumer: `python -m benchmarks.latency --rates 200 1000 --seconds 20 --runs 3`.

One process writes at a steady rate to a database of its own and consumes the messages; a worker runs beside it, as supervisord
would run it. A write counts from the moment MongoDB has acknowledged it with a majority, by one clock for both ends.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka import Consumer
from pymongo import MongoClient, WriteConcern

from benchmarks.servers import RunningWorker, servers
from watcher.sandbox.sandbox import Sandbox

PERCENTILES = (50, 95, 99, 99.9)
SETTLE_SECONDS = 3.0
"""Not measured at first: connections, caches and Kafka's own start-up."""

DOCUMENT = {"name": "Ada Lovelace", "email": "ada@example.org", "roles": ["admin"], "notes": "x" * 200}


class Writer(threading.Thread):
    """Inserts at `rate` per second and notes when each was acknowledged."""

    def __init__(self, uri: str, database: str, rate: float, seconds: float) -> None:
        super().__init__(daemon=True)
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)
        self._collection = self._client[database].get_collection("users", write_concern=WriteConcern("majority"))
        self._interval = 1 / rate
        self._seconds = seconds
        self.acknowledged: dict[int, float] = {}

    def run(self) -> None:
        """Write on a fixed schedule; a late write does not shift those after it."""
        start = time.perf_counter()
        for number in count():
            due = start + number * self._interval
            if due - start > self._seconds:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            self._collection.insert_one({"_id": number, **DOCUMENT})
            self.acknowledged[number] = time.perf_counter()


def consume(brokers: str, topic: str, writer: Writer) -> dict[int, float]:
    """When each document's message was in the consumer's hands."""
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": topic, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100}
    )
    consumer.subscribe([topic])
    arrived: dict[int, float] = {}
    while writer.is_alive() or len(arrived) < len(writer.acknowledged):
        message = consumer.poll(10.0)
        if message is None:
            raise SystemExit(f"no message for 10 s; {len(arrived)} of {len(writer.acknowledged)} have arrived")
        if message.error() is None:
            arrived[json.loads(message.value() or b"")["documentKey"]["_id"]] = time.perf_counter()
    consumer.close()
    return arrived


def measure(sandbox: Sandbox, rate: float, seconds: float, database: str) -> dict[str, float]:
    """Percentiles in milliseconds of one run."""
    topic = f"{database}.changes"
    with TemporaryDirectory() as directory, RunningWorker(sandbox, Path(directory), database, kafka_db_changes_topic=topic):
        writer = Writer(sandbox.mongodb_uri(database), database, rate, seconds + SETTLE_SECONDS)
        writer.start()
        arrived = consume(sandbox.kafka_brokers, topic, writer)
    first = int(rate * SETTLE_SECONDS)
    latencies = sorted((arrived[n] - at) * 1000 for n, at in writer.acknowledged.items() if n >= first)
    return {
        f"p{percentile:g}": latencies[min(len(latencies) - 1, int(len(latencies) * percentile / 100))] for percentile in PERCENTILES
    }


def main() -> None:
    """Measure each rate several times and print medians with their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[200.0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with servers() as sandbox:
        print(f"{sandbox.kafka.description}; milliseconds, median of {options.runs} runs (lowest-highest)")
        for rate in options.rates:
            runs = [measure(sandbox, rate, options.seconds, f"latency{rate:g}x{run}") for run in range(options.runs)]
            cells = [f"{name} {statistics.median(v):.1f} ({min(v):.1f}-{max(v):.1f})" for name, v in _columns(runs)]
            print(f"{rate:6g} writes/s  " + "  ".join(cells))


def _columns(runs: list[dict[str, float]]) -> list[tuple[str, list[float]]]:
    return [(name, [run[name] for run in runs]) for name in runs[0]]


if __name__ == "__main__":
    main()
