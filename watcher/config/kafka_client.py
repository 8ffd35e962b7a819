"""How any Kafka client reaches a watcher's Kafka, whoever makes it: the worker, `watcherctl tail`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watcher.config.settings import Settings
from watcher.librdkafka import common_properties

TRANSACTION_TIMEOUT_MS = 30_000
"""A dead worker's open transaction blocks read_committed readers this long, unless the worker comes back sooner."""

QUEUE_KBYTES = 64 * 1024
"""librdkafka's own default would let a worker grow by 1 GiB while Kafka is away."""


def client_properties(settings: Settings) -> dict[str, Any]:
    """librdkafka's properties for the connection: brokers, client id, and what the `[kafka]` table says of logging in and TLS."""
    common = common_properties(settings.kafka)
    return {**common, "bootstrap.servers": settings.kafka_brokers, "client.id": settings.kafka_client_id}


def producer_properties(properties: Mapping[str, Any], transactional_id: str) -> dict[str, Any]:
    """A producer's `properties` of the `[kafka]` table with those that a worker adds; without an id it has no transactions."""
    transaction_ms = properties.get("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
    transactional = {"transactional.id": transactional_id, "transaction.timeout.ms": transaction_ms}
    return {
        "message.timeout.ms": transaction_ms,  # must not be longer than the transaction
        "queue.buffering.max.kbytes": QUEUE_KBYTES,
        "linger.ms": 5,
        **properties,
        "partitioner": "murmur2_random",  # Java's own, so that keys meet in one partition whoever wrote them
        "enable.idempotence": True,
        "delivery.report.only.error": True,
        **(transactional if transactional_id else {}),
    }


def reading_properties(settings: Settings) -> dict[str, Any]:
    """For reading partitions that are assigned, up to their ends: what is committed, and without a consumer group."""
    return {
        **client_properties(settings),
        "group.id": settings.kafka_client_id,  # librdkafka wants one; no group is ever joined
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,  # its offset also counts the markers of transactions, which no record shows
    }
