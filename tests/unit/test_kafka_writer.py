"""Handing messages to librdkafka, a request at a time."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as DeliveredMessage

from watcher.kafka.transactions import writer as kafka_writer
from watcher.kafka.transactions.pause import SHARE
from watcher.kafka.transactions.writer import RECORD_BYTES, TransactionalWriter, enqueue, requests
from watcher.model import Message


def test_how_each_message_fared_is_told() -> None:
    """Without that a writer would take refused messages for delivered ones."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    told: list[tuple[str | None, bytes | None, int]] = []

    def on_delivery(error: KafkaError | None, message: DeliveredMessage) -> None:
        assert error is not None
        told.append((message.topic(), message.key(), error.code()))

    enqueue(producer, [Message("a", b"1", b"{}", 1_700_000_000_000, "insert"), Message("b", b"2", b"{}", 0, "update")], on_delivery)
    producer.purge()
    producer.flush(10)
    assert told == [("a", b"1", KafkaError._PURGE_QUEUE), ("b", b"2", KafkaError._PURGE_QUEUE)]


def message(size: int) -> Message:
    """With `size` bytes of value and key, and what a record adds."""
    return Message("a", b"k", b"v" * (size - 1 - RECORD_BYTES), 0, "insert")


@pytest.mark.parametrize(
    ("sizes", "pieces"),
    [
        ([], []),
        ([100], [1]),
        ([1000], [1]),
        ([1500], [1]),
        ([400, 400, 200], [3]),
        ([400, 400, 201], [2, 1]),
        ([1500, 100, 1500, 1500], [1, 1, 1, 1]),
        ([100] * 25, [10, 10, 5]),
    ],
)
def test_a_request_holds_what_fits(sizes: list[int], pieces: list[int]) -> None:
    messages = [message(size) for size in sizes]
    cut = list(requests(messages, 1000))
    assert [len(piece) for piece in cut] == pieces
    assert [each for piece in cut for each in piece] == messages


SEND_SECONDS, COMMIT_SECONDS = 0.015, 0.003


class Clock:
    """Stands still but for what the producer takes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class TimedProducer:
    """Takes SEND_SECONDS for what is queued and COMMIT_SECONDS for a commit, which first sends what is queued still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queued = 0

    def init_transactions(self, _seconds: float) -> None: ...

    def begin_transaction(self) -> None: ...

    def poll(self, _seconds: float) -> None: ...

    def produce(self, *_message: Any) -> None:
        self._queued += 1

    def flush(self, _seconds: float) -> int:
        self._clock.now += SEND_SECONDS if self._queued else 0.0
        self._queued = 0
        return 0

    def commit_transaction(self, seconds: float) -> None:
        self.flush(seconds)
        self._clock.now += COMMIT_SECONDS


def test_the_pause_is_measured_by_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else large documents would wait for half of what it takes to send megabytes of them."""
    clock = Clock()
    monkeypatch.setattr(kafka_writer, "Producer", lambda _config: TimedProducer(clock))
    monkeypatch.setattr(kafka_writer, "time", clock)
    writer = TransactionalWriter({"batch.size": 1000})
    writer.write([message(900)] * 3, message(900))
    writer.rest()
    assert clock.slept == pytest.approx([SHARE * (SEND_SECONDS + COMMIT_SECONDS)])
