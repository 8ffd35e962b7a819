"""Properties for the clients of a watcher's Kafka, such as those of the worker and of `watcherctl tail`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watcher.aws import with_token
from watcher.config.kafka.librdkafka_limits import TRANSACTION_TIMEOUT_MS, within_limits
from watcher.config.settings import Settings
from watcher.librdkafka import common_properties

QUEUE_KBYTES = 64 * 1024
"""With librdkafka's default a worker could grow by 1 GiB while Kafka is unavailable."""


def client_properties(settings: Settings) -> dict[str, Any]:
    """librdkafka's properties for the connection: brokers, client id, and authentication and TLS from the `[kafka]` table.

    Errors: those of `with_token`, if the login is AWS's.
    """
    common = with_token(common_properties(within_limits(settings.kafka)), settings.kafka_brokers)
    return {**common, "bootstrap.servers": settings.kafka_brokers, "client.id": settings.kafka_client_id}


def producer_properties(properties: Mapping[str, Any], transactional_id: str) -> dict[str, Any]:
    """The producer properties of the `[kafka]` table, with those that a worker adds. An empty id means no transactions."""
    transaction_ms = properties.get("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
    transactional = {"transactional.id": transactional_id, "transaction.timeout.ms": transaction_ms}
    return {
        "message.timeout.ms": transaction_ms,  # must not be longer than the transaction
        "queue.buffering.max.kbytes": QUEUE_KBYTES,
        "linger.ms": 5,
        "allow.auto.create.topics": False,  # a broker would make a deleted topic anew with its own settings: not compacted
        **within_limits(properties),
        "partitioner": "murmur2_random",  # the Java client's own, so that a key has the same partition whichever client writes it
        "enable.idempotence": True,
        "delivery.report.only.error": True,
        **(transactional if transactional_id else {}),
    }


def reading_properties(settings: Settings) -> dict[str, Any]:
    """Properties for a consumer that reads assigned partitions to their ends: committed messages only, and no consumer group."""
    return {
        **client_properties(settings),
        "group.id": settings.kafka_client_id,  # librdkafka requires one; no group is ever joined
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,  # its offset also counts the transaction markers, which are not delivered as records
    }
