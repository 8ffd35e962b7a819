"""Topics as somebody else may make or alter them."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from watcher.kafka.position import POSITION_KEY
from watcher.sandbox.kafka import Broker

ADMIN_SECONDS = 20


def create_topic(kafka: Broker, name: str, config: Mapping[str, str] | None = None, partitions: int = 1) -> None:
    """Create a topic with one copy."""
    topic = NewTopic(name, partitions, 1, config=dict(config or {}))
    admin = AdminClient(kafka.admin_properties())  # has to outlive its futures
    admin.create_topics([topic])[name].result(ADMIN_SECONDS)


def alter_topic(kafka: Broker, name: str, config: Mapping[str, str]) -> None:
    """Set some of a topic's settings."""
    entries = [
        ConfigEntry(key, value, ConfigSource.DYNAMIC_TOPIC_CONFIG, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    admin = AdminClient(kafka.admin_properties())
    admin.incremental_alter_configs([resource])[resource].result(ADMIN_SECONDS)


def add_partitions(kafka: Broker, name: str, total: int) -> None:
    """Have Kafka spread the topic's records by key over so many partitions."""
    admin = AdminClient(kafka.admin_properties())
    admin.create_partitions([NewPartitions(name, total)])[name].result(ADMIN_SECONDS)


def delete_records(kafka: Broker, name: str, before: int = OFFSET_END) -> None:
    """Delete what is in a topic of one partition `before` an offset, as retention would; its offsets go on (KIP-107)."""
    place = TopicPartition(name, 0, before)
    admin = AdminClient(kafka.admin_properties())
    admin.delete_records([place])[place].result(ADMIN_SECONDS)


def write_garbage(kafka: Broker, position_topic: str) -> None:
    """Write what another program may write to a topic that is none of its business."""
    producer = Producer(kafka.admin_properties())
    producer.produce(position_topic, b"\x00\x01garbage", POSITION_KEY)
    assert producer.flush(ADMIN_SECONDS) == 0


def delete_topic(kafka: Broker, name: str) -> None:
    """Delete a topic."""
    admin = AdminClient(kafka.admin_properties())
    admin.delete_topics([name])[name].result(ADMIN_SECONDS)
