"""The cost of a snapshot for the changes that come meanwhile: `python -m benchmarks.snapshot_latency --seconds 20 --runs 3`.

In each run a worker follows one collection at a steady rate of writes, first without a snapshot and then while it copies another
collection of the database, which is large enough to last.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from pymongo import MongoClient

from benchmarks import latency
from benchmarks.contender import Watcher
from benchmarks.figures import Figures, show, summary
from benchmarks.load import DOCUMENTS, END, fill
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from watcher.sandbox.sandbox import Sandbox

DATABASE, COPIED = "snapshotted", "copied"
RATE = 1000.0
MOST_COPIED, START_SECONDS = 80_000, 5.0
"""More documents a second than a snapshot copies beside the writes, and the time for the worker's start."""

WITHOUT, DURING = "without a snapshot", "during a snapshot"
COPIED_SPEED, P99, RATIO = "copied documents/s", "p99", "of the p99 without"


def prepare(sandbox: Sandbox, seconds: float) -> int:
    """Write the collection that is copied, large enough for a measuring that lasts so long; returns the number of its documents."""
    uri, documents = sandbox.mongodb_uri(DATABASE), int(MOST_COPIED * (latency.SETTLE_SECONDS + seconds + START_SECONDS))
    fill(uri, DATABASE, documents)
    with MongoClient[dict[str, Any]](uri) as client:
        client[DATABASE][DOCUMENTS].rename(COPIED)
        client[DATABASE][END].drop()
    return documents


def compare(sandbox: Sandbox, documents: int, seconds: float, attempts: Attempts, runs: int) -> list[dict[str, Figures]]:
    """The runs; in each the percentiles in milliseconds without and during a snapshot, and the ratio of both p99."""
    contenders = [Watcher(WITHOUT), Watcher(DURING, settings={"snapshot_mode": "initial"})]
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for place, contender in enumerate(attempts.in_turn(contenders)):
            with attempts.of(contender.name):
                run[contender.name] = measure(sandbox, contender, documents, seconds, f"snapshot{number}x{place}")
                show(summary([{contender.name: run[contender.name]}]))
        results.append(with_ratio(run))
    return results


def with_ratio(run: dict[str, Figures]) -> dict[str, Figures]:
    """One run, and how much longer the p99 is during the snapshot."""
    if WITHOUT not in run or DURING not in run:
        return run
    return {**run, DURING: {**run[DURING], RATIO: run[DURING][P99] / run[WITHOUT][P99]}}


def measure(sandbox: Sandbox, contender: Watcher, documents: int, seconds: float, name: str) -> Figures:
    """One run of one contender. Errors: SystemExit when it fails, or when a snapshot ends before the writes do."""
    with MongoClient[dict[str, Any]](sandbox.mongodb_uri(DATABASE)) as client:
        client[DATABASE][DOCUMENTS].drop()
    started = time.monotonic()
    figures = latency.measure(sandbox, contender, [RATE], seconds, name, database=DATABASE)[RATE]
    if "snapshot_mode" not in contender.settings:
        return figures
    lasted = time.monotonic() - started
    if (copied := end_of(sandbox.kafka_brokers, f"{name}.{DATABASE}.{COPIED}")) >= documents:
        raise SystemExit(f"the snapshot of {documents} documents ended before the writes did")
    return {**figures, COPIED_SPEED: copied / lasted}


def end_of(brokers: str, topic: str) -> int:
    """Return the end of a topic's only partition; markers of transactions count, one for a thousand messages or so."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": topic})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10.0, cached=False)[1])
    finally:
        consumer.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with servers() as sandbox:
        documents = prepare(sandbox, options.seconds)
        print(f"{sandbox.kafka.description}; milliseconds at {RATE:g} writes/s", flush=True)
        attempts = Attempts()
        show(summary(compare(sandbox, documents, options.seconds, attempts, options.runs)))
    for name, reason in attempts.failed.items():
        print(f"{name} failed: {reason}")


if __name__ == "__main__":
    main()
