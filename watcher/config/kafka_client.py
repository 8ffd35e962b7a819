"""How any Kafka client reaches a watcher's Kafka, whoever makes it: the worker, `watcherctl tail`."""

from __future__ import annotations

from typing import Any

from watcher.config.settings import Settings
from watcher.librdkafka import common_properties


def client_properties(settings: Settings) -> dict[str, Any]:
    """librdkafka's properties for the connection: brokers, client id, and what the `[kafka]` table says of logging in and TLS."""
    common = common_properties(settings.kafka)
    return {**common, "bootstrap.servers": settings.kafka_brokers, "client.id": settings.kafka_client_id}


def reading_properties(settings: Settings) -> dict[str, Any]:
    """For reading partitions that are assigned, up to their ends: what is committed, and without a consumer group."""
    return {
        **client_properties(settings),
        "group.id": settings.kafka_client_id,  # librdkafka wants one; no group is ever joined
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,  # its offset also counts the markers of transactions, which no record shows
    }
