from collections.abc import Sequence

from confluent_kafka import Producer

from watcher.kafka.transactions.writer import DeliveryCallback
from watcher.model import Message

def enqueue(
    producer: Producer, messages: Sequence[Message], first: int, size: int, on_delivery: DeliveryCallback | None, /
) -> int: ...
