"""Producers that write a batch together with the position after it: in one transaction, or with the position last.

Any error leaves a writer useless: its late EndTxn could commit or abort a later transaction (KAFKA-17754). So a writer never
recovers; a new one is opened, which takes a fraction of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from confluent_kafka import KafkaError, Producer
from confluent_kafka.cimpl import Message as DeliveredMessage

from watcher.errors import Outage, WatcherError
from watcher.kafka.errors import as_watcher_error, translated
from watcher.kafka.transactions.pause import TransactionPause
from watcher.model import Message

try:
    from watcher.kafka.transactions import _enqueue
except ImportError:
    _enqueue = None  # type: ignore[assignment]  # it was not compiled

native = _enqueue
"""The part in C; None if it was not compiled."""

DeliveryCallback = Callable[[KafkaError | None, DeliveredMessage], None]

BYSTANDERS = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._INVALID_DIFFERENT_RECORD}
"""Codes of messages that were dropped or refused because of other messages."""

RECORD_BYTES = 64
"""Largest size of a record beyond key and value: lengths, offset, time (KIP-98), and what librdkafka counts on top."""

OPEN_SECONDS = 15.0
WRITE_SECONDS = 40.0
"""Longer than a transaction lives, so that its outcome is known by then, or never will be."""


class Writer(Protocol):
    """Interface of a producer for the sink."""

    def write(self, messages: Sequence[Message], position: Message) -> None:
        """Write messages and position; returns when both are safe. Errors: Outage, NotPermitted."""

    def rest(self, before: float = 0.0) -> None:
        """Wait until Kafka has finished its work for the last `write`, or until `before` seconds before that. Call this between two
        writes."""

    def close(self) -> None:
        """Drop all queued messages at once."""


class TransactionalWriter:
    """Exactly once: messages and position are committed together. Opening it fences the writer before it."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Errors: Outage, NotPermitted, UnsupportedServer, ConfigurationError."""
        self._failures: list[WatcherError] = []
        self._request_bytes: int = config["batch.size"]
        self._pause = TransactionPause()
        self._ready_at = 0.0
        with translated("opening the producer"):
            self._producer = Producer(config)
            try:
                self._producer.init_transactions(OPEN_SECONDS)
            finally:
                self._producer.poll(0)  # librdkafka now reports its troubles

    def write(self, messages: Sequence[Message], position: Message) -> None:
        try:
            with translated("a transaction"):
                self._producer.begin_transaction()
                begun = self._enqueue([*messages, position])
                self._producer.commit_transaction(WRITE_SECONDS)
                self._producer.poll(0)  # librdkafka's log lines wait for it
        except Outage as error:
            # About refused messages the transaction's error says only how many they are.
            raise next(iter(self._failures), error) from error
        ended = time.monotonic()
        self._pause.committed(ended - begun)
        self._ready_at = ended + self._pause.seconds

    def _enqueue(self, messages: Sequence[Message]) -> float:
        """Hand over all messages, and send all but the last request. Returns when that one began."""
        done, begun = 0, time.monotonic()
        while (done := enqueue(self._producer, messages, done, self._request_bytes, self._delivered)) < len(messages):
            self._producer.flush(WRITE_SECONDS)
            begun = time.monotonic()
        return begun

    def rest(self, before: float = 0.0) -> None:
        time.sleep(max(0.0, self._ready_at - before - time.monotonic()))

    def close(self) -> None:
        self._producer.purge()

    def _delivered(self, error: KafkaError | None, message: DeliveredMessage) -> None:
        self._failures.extend(failures(error, message))


class IdempotentWriter:
    """At least once, for brokers without transactions: the position follows once its messages are acknowledged."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Errors: ConfigurationError."""
        self._failures: list[WatcherError] = []
        self._request_bytes: int = config["batch.size"]
        with translated("opening the producer"):
            self._producer = Producer(config)

    def write(self, messages: Sequence[Message], position: Message) -> None:
        with translated("writing"):
            done = 0
            while done < len(messages):
                done = enqueue(self._producer, messages, done, self._request_bytes, self._delivered)
                self._flush()
            enqueue(self._producer, [position], 0, self._request_bytes, self._delivered)
            self._flush()

    def rest(self, before: float = 0.0) -> None:
        """Do nothing: Kafka has no work left."""

    def close(self) -> None:
        self._producer.purge()

    def _delivered(self, error: KafkaError | None, message: DeliveredMessage) -> None:
        self._failures.extend(failures(error, message))

    def _flush(self) -> None:
        pending = self._producer.flush(WRITE_SECONDS)
        if self._failures:
            raise self._failures[0]
        if pending:
            raise as_watcher_error(KafkaError(KafkaError._TIMED_OUT), "writing")


def failures(error: KafkaError | None, message: DeliveredMessage) -> Iterator[WatcherError]:
    """Yield the error of a delivery report, if there is one; none if another message is at fault."""
    if error and error.code() not in BYSTANDERS:
        yield as_watcher_error(error, f"writing to {message.topic()}")


def enqueue(
    producer: Producer, messages: Sequence[Message], first: int, size: int, on_delivery: DeliveryCallback | None = None
) -> int:
    """Hand messages from `messages[first]` on to librdkafka, in order: as many as fit into one request of `size` bytes, but at
    least one. Returns the number of the message that follows.

    For an idempotent producer librdkafka has one request per partition in flight. While another request is ready, it polls for the
    answer without pause, which costs much processor time in a backlog (docs/performance.md).

    Arguments by position cost little more than half as much as arguments by name. (`produce_batch` takes no timestamps.) The fifth
    is `callback`: with None there, `on_delivery`, its other name, would be ignored.

    Raises KafkaException for a message that librdkafka refuses, such as one that is too large: the transaction must not commit
    without it.
    """
    if native:
        return native.enqueue(producer, messages, first, size, on_delivery)
    produce, filled = producer.produce, 0
    for number in range(first, len(messages)):
        topic, key, value, timestamp_ms, _, partition, _, headers, header_bytes, _ = messages[number]
        filled += len(value or b"") + len(key or b"") + header_bytes + RECORD_BYTES
        if filled > size and number > first:
            return number
        while True:
            try:
                produce(topic, value, key, partition, on_delivery, None, timestamp_ms, headers)  # type: ignore[arg-type]  # lists are invariant
                break
            except BufferError:  # the queue is full: wait until librdkafka has sent some of it
                producer.poll(0.1)
    return len(messages)
