"""Costs of the whole way of one change, from MongoDB's reply to librdkafka: `python -m benchmarks.deliver`.

A reply's bytes become events, messages and transactions, as in a worker that catches up or copies documents. Kafka is librdkafka's
mock cluster in another process, and MongoDB is not asked. Each figure is processor time of all threads, librdkafka's too. All
candidates are measured in turn, several rounds over, so that a busy machine disturbs them alike; the best round counts.
Python 3.11, confluent-kafka 2.16.1, events of 725 bytes, a machine of two cores that others used as well:

    generic, inserts                                      3.34 µs
    generic, a snapshot's rows                            3.44 µs
    document, inserts                                     4.11 µs
    document, a snapshot's rows                           3.98 µs
    debezium, inserts                                     5.27 µs
    debezium, a snapshot's rows                           5.40 µs
    mongodb, inserts                                      4.54 µs
    mongodb, a snapshot's rows                            4.35 µs
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import bson
from bson import ObjectId
from confluent_kafka import Producer

from benchmarks.encode import EVENT, NOON, STRICT, USER, encoder
from watcher.bson_elements import documents
from watcher.config.kafka_client import producer_properties
from watcher.kafka.transactions.writer import TransactionalWriter
from watcher.model import Batch, Message, Owner, Position, Snapshot
from watcher.snapshot.course import advanced
from watcher.snapshot.ports import Read
from watcher.snapshot.rows import namespace_of, row_events
from watcher.stream.overlap import WriteBehind, take_short_turns
from watcher.stream.pipeline import Pipeline
from watcher.stream.ports import Observer
from watcher.worker.reporting.counters import Counters

ROUNDS, BATCHES, EVENTS = 20, 4, 4000
ENVELOPES = ("generic", "document", "debezium", "mongodb")
TOKEN = {"_data": "8265F0C1"}
SNAPSHOT = Snapshot("snapshot-20240101T000000Z-abcdef", "insert", "initial", "2024-01-01T12:00:00.000Z", collection="users")
TOPICS = ("database.insert", "dashboard.position")

MakeBatch = Callable[[], Batch]


def mock_cluster() -> None:
    """Run a mock cluster with the topics until stdin ends; its address goes to stdout."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "allow.auto.create.topics": True, "log_level": 0})
    for topic in TOPICS:
        brokers = producer.list_topics(topic, timeout=10).brokers.values()
    print(*(f"{each.host}:{each.port}" for each in brokers), flush=True)
    sys.stdin.read()


@contextmanager
def kafka() -> Iterator[str]:
    """A mock cluster; yields its address."""
    command = [sys.executable, "-m", "benchmarks.deliver", "mock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


class WriterAlone:
    """A sink without what asks Kafka about topics and owners."""

    transaction_bytes = 4 * 1024 * 1024

    def __init__(self, brokers: str, name: str) -> None:
        own = {"bootstrap.servers": brokers, "batch.size": 1_000_000, "log_level": 0}  # the cluster ends before its producers
        self._writer = TransactionalWriter({**producer_properties({}, name), **own})

    def limit_of(self, _topic: str) -> int:
        return 1_000_000

    def deliver(self, messages: Sequence[Message], _position: Position) -> None:
        self._writer.write(messages, Message(TOPICS[1], b"position", b"{}", 1, "position", 0))

    def rest(self, before: float = 0.0) -> None: ...


class Counting:
    """An observer that counts what a worker counts of each message."""

    def __init__(self) -> None:
        self._counters = Counters()

    def encoded(self, messages: int, size: int) -> None: ...

    def committed(self, messages: Sequence[Message], _position: Position, seconds: float) -> None:
        self._counters.committed(messages, seconds)


def reply(of: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """A reply with what is made of each of the documents."""
    return bson.encode({"": [of({**USER, "_id": ObjectId()}) for _ in range(EVENTS)]})


def change(document: dict[str, Any]) -> dict[str, Any]:
    """The insert of a document."""
    return {**bson.decode(EVENT), "wallTime": NOON, "fullDocument": document, "documentKey": {"_id": document["_id"]}}


def copied(raw: bytes) -> Batch:
    """A chunk of a snapshot."""
    rows = documents(raw, 6)
    events = row_events(rows, SNAPSHOT, namespace_of("dashboard", "users"), (1_704_110_400, 1))
    at = partial(advanced, SNAPSHOT, Read(rows, complete=False, at=(1, 1)))
    return Batch(events, TOKEN, 0, more=True, rows=len(rows), snapshot=SNAPSHOT, snapshot_at=at)


def streamed(raw: bytes) -> Batch:
    """A reply of a change stream."""
    return Batch(documents(raw, 6), TOKEN, 0, more=True, token_of=lambda _: TOKEN)


def deliver(pipeline: Pipeline, behind: WriteBehind, make: MakeBatch) -> float:
    """Deliver some batches; returns the processor time of each event, in µs."""
    position, begun = Position("dashboard", Owner("", "", 0)), time.process_time()
    for _ in range(BATCHES):
        position = pipeline._deliver(make(), behind, position, lambda: False)
    behind.settle()
    return (time.process_time() - begun) / BATCHES / EVENTS * 1e6


def main() -> None:
    """Measure and print."""
    take_short_turns()
    observer = cast("Observer", Counting())  # only what is called here
    batches: dict[str, MakeBatch] = {"inserts": partial(streamed, reply(change)), "a snapshot's rows": partial(copied, reply(dict))}
    with kafka() as brokers:
        candidates = {}
        for envelope in ENVELOPES:
            sink = WriterAlone(brokers, envelope)
            encode = encoder(envelope=envelope, json_format=STRICT.get(envelope, "plain"))
            pipeline = Pipeline(cast("Any", None), encode, sink, observer)
            candidates[envelope] = partial(deliver, pipeline, WriteBehind(sink, observer))
        rounds = [
            {(name, what): call(make) for name, call in candidates.items() for what, make in batches.items()} for _ in range(ROUNDS)
        ]
    for name, what in rounds[0]:
        print(f"{name + ', ' + what:50}{min(each[name, what] for each in rounds):8.2f} µs")


if __name__ == "__main__":
    mock_cluster() if sys.argv[1:] == ["mock"] else main()
