"""Handing messages to librdkafka."""

from __future__ import annotations

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as DeliveredMessage

from watcher.stream.kafka_writer import enqueue
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
