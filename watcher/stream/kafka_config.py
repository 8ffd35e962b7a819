"""librdkafka properties for each client a worker has; the reasons stand beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, libversion

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, reading_properties

TRANSACTION_TIMEOUT_MS = 30_000
"""A dead worker's open transaction blocks read_committed readers this long, unless the worker comes back sooner."""

QUEUE_KBYTES = 64 * 1024
"""librdkafka's own default would let a worker grow by 1 GiB while Kafka is away."""

LIBRDKAFKA_VERSION: str = libversion()[0]

logger = logging.getLogger("librdkafka")

ErrorCallback = Callable[[KafkaError], None]


def producer_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """For `delivery`'s producer: transactional, or idempotent alone."""
    transaction_ms = settings.kafka.get("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
    config = {
        "message.timeout.ms": transaction_ms,  # must not be longer than the transaction
        "queue.buffering.max.kbytes": QUEUE_KBYTES,
        "linger.ms": 5,
        **settings.kafka,
        **client_properties(settings),
        **_callbacks(on_error),
        "partitioner": "murmur2_random",  # Java's own, so that keys meet in one partition whoever wrote them
        "enable.idempotence": True,
        "delivery.report.only.error": True,
    }
    if settings.delivery == "exactly-once":
        config["transactional.id"] = settings.kafka_client_id
        config["transaction.timeout.ms"] = transaction_ms
    return config


def reader_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """For reading the position back: one partition, assigned, up to its end."""
    return {
        **reading_properties(settings),
        **_callbacks(on_error),
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 10,  # the end is told only after a fetch came back empty
    }


def admin_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """For looking at topics and creating them."""
    return {**client_properties(settings), **_callbacks(on_error)}


def _callbacks(on_error: ErrorCallback) -> dict[str, Any]:
    return {"error_cb": on_error, "logger": logger}
