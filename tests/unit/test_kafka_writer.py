"""Handing messages to librdkafka, a request at a time."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as DeliveredMessage

from watcher.stream.kafka_writer import RECORD_BYTES, enqueue, requests
from watcher.stream.model import Message


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
