"""A watcher's messages without a watcher, and a DatabaseChangeConsumer in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from random import Random
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.records import QUIET
from tests.support.waiting import eventually
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer

OPERATIONS = ("insert", "update", "delete")
DOCUMENTS = 40
TOPIC_OF = {"insert": "insert", "update": "update", "replace": "update", "delete": "delete"}
SOON = {"topic.metadata.refresh.interval.ms": 500}


class Writer:
    """Writes what the watcher `name` would: to `<name>.insert`, `.update`, `.delete` and `.control`, or all to `topic`."""

    def __init__(
        self, bootstrap: str, name: str, *, partitions: int = 3, topic: str | None = None, client_id: str | None = None
    ) -> None:
        self.name = name
        self.sequence = 0
        self.topics = [topic] if topic else [f"{name}.{kind}" for kind in ("insert", "update", "delete", "control")]
        self._topic = topic
        self._client_id = client_id or name
        admin = AdminClient({"bootstrap.servers": bootstrap}, logger=QUIET)
        for created in admin.create_topics([NewTopic(each, partitions) for each in self.topics]).values():
            if created.exception() is not None:
                assert "exists" in str(created.exception())
        config = {"bootstrap.servers": bootstrap, "transactional.id": self._client_id, "partitioner": "murmur2_random"}
        self._producer = Producer(config, logger=QUIET)
        self._producer.init_transactions(20)

    def message(self, operation: str, key: Any = None, *, collection: str = "users", **fields: Any) -> dict[str, Any]:
        """The next message of this watcher's; not written yet."""
        self.sequence += 1
        row = {"documentKey": {"_id": key}, "fullDocument": {"_id": key, "n": self.sequence}} if key is not None else {}
        return {
            "operationType": operation,
            "database": self.name,
            "collection": collection,
            **row,
            "timestamp": "2024-01-01T12:00:00.000Z",
            "eventId": f"{self.sequence:08x}",
            "watcher": self._client_id,
            "sequence": self.sequence,
            **fields,
        }

    def write(self, messages: Iterable[dict[str, Any]]) -> None:
        """Write them in one transaction."""
        self._producer.begin_transaction()
        for message in messages:
            self._produce(message)
        self._producer.commit_transaction(20)

    def write_raw(self, topic: str, value: bytes | None, key: bytes = b"raw") -> None:
        """Write a record that is no message."""
        self._producer.begin_transaction()
        self._producer.produce(topic, value, key)
        self._producer.commit_transaction(20)

    def abort(self, messages: Iterable[dict[str, Any]]) -> None:
        """Write them in a transaction that is aborted; their numbers are used again."""
        self._producer.begin_transaction()
        for message in messages:
            self._produce(message)
            self.sequence -= 1
        self._producer.flush(20)
        self._producer.abort_transaction(20)

    def _produce(self, message: dict[str, Any]) -> None:
        topic = self._topic or f"{self.name}.{TOPIC_OF.get(message['operationType'], 'control')}"
        key = json.dumps(message.get("documentKey", {}).get("_id", message["database"]))
        self._producer.produce(topic, json.dumps(message), key)


def write_lives(writer: Writer, rounds: int) -> int:
    """Documents are inserted, updated, deleted, and inserted again; the number of messages that makes."""
    for _ in range(rounds):
        writer.write([writer.message(operation, key) for key in range(DOCUMENTS) for operation in OPERATIONS])
    return rounds * DOCUMENTS * len(OPERATIONS)


def write_and_abort(writer: Writer, transactions: int) -> int:
    """Small transactions one after the other, every tenth aborted; the number of messages that come of it, without the inserts."""
    random = Random(4)
    expected = 0
    for number in range(transactions):
        messages = [writer.message(random.choice(OPERATIONS), random.randrange(9)) for _ in range(random.randrange(1, 4))]
        if number % 10 == 9:
            writer.abort(messages)
        else:
            writer.write(messages)
            expected += sum(message["operationType"] != "insert" for message in messages)
    return expected


class Running:
    """A consumer that runs in a thread for as long as the `with` block; what `run` raised is in `error`."""

    def __init__(self, consumer: DatabaseChangeConsumer) -> None:
        self.consumer = consumer
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="consumer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.consumer.stop()
        self._thread.join(60)
        assert not self._thread.is_alive(), "run() did not return"

    def has_ended(self) -> bool:
        """Return True if `run` has returned, or raised."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.consumer.run()
        except BaseException as error:  # noqa: BLE001 - SystemExit too
            self.error = error


def committed(bootstrap: str, group: str, topic: str) -> TopicPartition:
    """The offset and metadata that a group has committed in a topic's first partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group}, logger=QUIET)
    try:
        return consumer.committed([TopicPartition(topic, 0)], timeout=20)[0]
    finally:
        consumer.close()


def make_consumer(
    bootstrap: str, group: str, topics: list[str], options: ConsumerOptions | None = None, **kafka: Any
) -> DatabaseChangeConsumer:
    """A consumer that notices new topics soon, for tests."""
    return DatabaseChangeConsumer(bootstrap, group, topics, options=options or ConsumerOptions(), kafka={**SOON, **kafka})


def collected(
    bootstrap: str, group: str, topics: list[str], count: int, options: ConsumerOptions | None = None, timeout_s: float = 60
) -> list[Change]:
    """The first `count` changes that a consumer of this group hands out, at least."""
    changes: list[Change] = []
    consumer = make_consumer(bootstrap, group, topics, options)
    consumer.on("*", "*")(changes.append)
    with Running(consumer) as running:
        eventually(lambda: len(changes) >= count or running.has_ended(), timeout_s)
    if running.error:
        raise running.error
    return changes
