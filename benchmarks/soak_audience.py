"""Reads all messages of a soak as they come, as any consumer does, and keeps of each what the oracle looks at."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import orjson
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.soak_load import LARGE_PREFIX
from tests.support.background import Background
from tests.support.records import QUIET, Record

KEPT = ("operationType", "collection", "documentKey", "eventId", "sequence", "truncated", "about")
LATEST = 100


class Audience(Background):
    """A read_committed consumer in a thread, from the first message on, until the `with` block is left."""

    def __init__(self, bootstrap: str, topics: list[str]) -> None:
        super().__init__(self._run, "audience")
        self.counts: Counter[str] = Counter()
        """Messages so far, by watcher."""
        self._records: list[Record] = []
        known = AdminClient({"bootstrap.servers": bootstrap}, logger=QUIET).list_topics(timeout=20).topics
        self._partitions = [TopicPartition(topic, partition, 0) for topic in topics for partition in known[topic].partitions]
        self._config = {
            "bootstrap.servers": bootstrap,
            "group.id": "soak",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 16 * 1024,
        }

    def records_of(self, watcher: str) -> list[Record]:
        """A watcher's messages so far."""
        return [record for record in [*self._records] if watcher_of(record) == watcher]

    def has_seen(self, watcher: str, collection: str, identity: str) -> bool:
        """Return True if a watcher has told of a document lately."""
        latest = [record.json for record in self.records_of(watcher)[-LATEST:]]
        return any(
            message.get("collection") == collection and message.get("documentKey", {}).get("_id") == identity for message in latest
        )

    def _run(self, stop: threading.Event) -> None:
        consumer = Consumer(self._config, logger=QUIET)
        consumer.assign(self._partitions)
        while not stop.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:  # it rides a broker's absence out by itself
                record = reduced(message)
                self._records.append(record)
                self.counts[watcher_of(record)] += 1
        consumer.close()


def watcher_of(record: Record) -> str:
    """The watcher whose topic it is."""
    return record.topic.partition(".")[0]


def reduced(message: Message) -> Record:
    """The record with no more of its value than tells which write it is."""
    value = orjson.loads(message.value() or b"{}")
    kept = {name: value[name] for name in KEPT if name in value} | write_number(value)
    _, timestamp_ms = message.timestamp()
    return Record(
        message.topic() or "", message.partition() or 0, message.offset() or 0, message.key(), orjson.dumps(kept), timestamp_ms
    )


def write_number(value: dict[str, Any]) -> dict[str, Any]:
    """The number of the write, where the message has it. A large document is inserted once, as its first write."""
    if value["operationType"] == "update":
        return {"updateDescription": {"updatedFields": {"n": value["updateDescription"]["updatedFields"]["n"]}}}
    if value["operationType"] == "insert" and "fullDocument" in value.get("truncated", ()):
        assert value["documentKey"]["_id"].startswith(LARGE_PREFIX)
        return {"fullDocument": {"n": 1}}
    return {"fullDocument": {"n": value["fullDocument"]["n"]}} if "fullDocument" in value else {}
