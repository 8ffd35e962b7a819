"""What each step costs an event on its way through a worker: `python -m benchmarks.steps`. Needs no servers.

The reply is one of MongoDB's with 1,000 inserts of small documents, and librdkafka's queue stands for Kafka. CPU time of the
thread that does the step; the best of several rounds. docs/performance.md has the results.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import bson
from bson import Int64, Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from confluent_kafka import Producer

from benchmarks.encode import PLAIN, encoder
from benchmarks.load import document
from watcher.kafka.writer import enqueue, requests
from watcher.mongodb.cursor_reply import take_apart
from watcher.mongodb.split_events import FragmentJoiner
from watcher.worker.reporting.counters import Counters

EVENTS = 1_000
ROUNDS = 30
SMALL_BYTES = 300
NOON = datetime(2024, 1, 1, 12, 0, 0, 123_000, UTC)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def reply() -> bytes:
    """The `cursor` of a getMore's reply."""
    rng = Random(1)
    events = [_insert(document(number, SMALL_BYTES, rng)) for number in range(EVENTS)]
    return bson.encode(
        {"nextBatch": events, "postBatchResumeToken": {"_data": "82"}, "id": Int64(7), "ns": "dashboard.$cmd.aggregate"}
    )


def _insert(inserted: dict[str, object]) -> dict[str, object]:
    return {
        "_id": {"_data": "8265F0C1" + "0" * 80},
        "operationType": "insert",
        "clusterTime": Timestamp(1_704_110_400, 1),
        "wallTime": NOON,
        "fullDocument": inserted,
        "ns": {"db": "dashboard", "coll": "users"},
        "documentKey": {"_id": inserted["_id"]},
    }


def steps() -> dict[str, Callable[[], object]]:
    """By what they do, each for all events of the reply."""
    cursor = reply()
    events, _ = take_apart(cursor)
    encode, in_python = encoder("plain").encode, encoder("plain", native=False).encode
    messages = [encode(event, number) for number, event in enumerate(events)]
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": 10_000_000, "log_level": 0})
    joiner, counts = FragmentJoiner({"_data": "82"}), Counters()
    return {
        "take the reply apart": lambda: take_apart(cursor),
        "… as pymongo would": lambda: [bytes(event.raw) for event in RawBSONDocument(cursor, RAW)["nextBatch"]],
        "look for fragments": lambda: joiner.join(events, {"_data": "82"}),
        "… by reading each token": lambda: [RawBSONDocument(event)["_id"] for event in events],
        "encode": lambda: [encode(event, 1) for event in events],
        "… in Python": lambda: [in_python(event, 1) for event in events],
        "… of that, BSON to Python": lambda: [PLAIN.decode(event) for event in events],
        "cut into requests": lambda: list(requests(messages, 1_000_000)),
        "hand to librdkafka": lambda: enqueue(producer, messages, lambda _error, _message: None),
        "count": lambda: counts.committed(messages, 0.01),
    }


def microseconds(step: Callable[[], object]) -> float:
    """For each event, the best of all rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.thread_time()
        step()
        best = min(best, time.thread_time() - begun)
    return best / EVENTS * 1e6


def main() -> None:
    """Print the table."""
    for name, step in steps().items():
        print(f"{name:30}{microseconds(step):6.2f} µs")


if __name__ == "__main__":
    main()
