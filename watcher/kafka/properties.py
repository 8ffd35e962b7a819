"""librdkafka properties for each client a worker has; the reasons stand beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, libversion

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, producer_properties, reading_properties

LIBRDKAFKA_VERSION: str = libversion()[0]

logger = logging.getLogger("librdkafka")

ErrorCallback = Callable[[KafkaError], None]


def producer_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """For `delivery`'s producer: transactional, or idempotent alone."""
    transactional_id = settings.kafka_client_id if settings.delivery == "exactly-once" else ""
    return {**producer_properties(settings.kafka, transactional_id), **client_properties(settings), **_callbacks(on_error)}


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
