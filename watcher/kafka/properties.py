"""librdkafka properties for each client of a worker, with their reasons beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, libversion

from watcher.config import Settings
from watcher.config.kafka_client import client_properties, producer_properties, reading_properties
from watcher.kafka.lease_rules import HEARTBEAT_SECONDS, SESSION_SECONDS
from watcher.librdkafka import DESYNCHRONISED

LIBRDKAFKA_VERSION: str = libversion()[0]

FENCED_TEXT = "fenced by "

logger = logging.getLogger("librdkafka")
# Fatal to a producer, but not to a worker, which finds out who has fenced it and tells: it may have been a command.
logger.addFilter(lambda record: FENCED_TEXT not in record.getMessage())
# The same for a partition that lacks this producer's last messages: the worker opens again, and says in other words which it is.
logger.addFilter(lambda record: DESYNCHRONISED not in record.getMessage() or logger.isEnabledFor(logging.DEBUG))

ErrorCallback = Callable[[KafkaError], None]
ThrottleCallback = Callable[[float], None]


def producer_config(settings: Settings, on_error: ErrorCallback, on_throttle: ThrottleCallback | None = None) -> dict[str, Any]:
    """Make the producer's properties. `delivery` decides whether it is transactional or only idempotent. `on_throttle` is told the
    seconds for which a broker holds back what this producer sends."""
    transactional_id = settings.kafka_client_id if settings.delivery == "exactly-once" else ""
    config = {**producer_properties(settings.kafka, transactional_id), **client_properties(settings), **_callbacks(on_error)}
    if on_throttle:
        config["throttle_cb"] = lambda event: on_throttle(event.throttle_time) if event.throttle_time > 0 else None  # 0: it is over
    return config


def limit_transaction(config: dict[str, Any], seconds: int) -> None:
    """Have Kafka abort a transaction of this producer after so many seconds. No message may take longer than that (librdkafka)."""
    for name in ("transaction.timeout.ms", "message.timeout.ms"):
        if name in config:
            config[name] = min(int(config[name]), seconds * 1000)


def reader_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """Make the properties of the consumer that reads the position back: one assigned partition, up to its end."""
    return {
        **reading_properties(settings),
        **_callbacks(on_error),
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 10,  # the end is reported only after an empty fetch
    }


def admin_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """Make the properties of the admin client, which looks at topics and creates them."""
    return {**client_properties(settings), **_callbacks(on_error)}


def lease_group(settings: Settings) -> str:
    """Return the name of the group in which the lease is."""
    return f"{settings.kafka_client_id}.lease"


def lease_config(settings: Settings, on_error: ErrorCallback) -> dict[str, Any]:
    """Make the properties of a member of the lease's group. It reads nothing."""
    return {
        **client_properties(settings),
        **_callbacks(on_error),
        "group.id": lease_group(settings),
        "group.protocol": "classic",  # the newer one ends a session after 45 s, and only a broker's setting can change that
        "session.timeout.ms": int(SESSION_SECONDS * 1000),
        "heartbeat.interval.ms": int(HEARTBEAT_SECONDS * 1000),
        # With it the lease stays where it is when a member comes; `range` gives it to the smallest member id. And there is no
        # group.instance.id, because a member that has one does not leave when it stops.
        "partition.assignment.strategy": "cooperative-sticky",
        "topic.metadata.refresh.interval.ms": 10_000,  # in which a topic that was deleted and made again is noticed
        "enable.auto.commit": False,
        "auto.offset.reset": "latest",
        "queued.max.messages.kbytes": 64,
    }


def _callbacks(on_error: ErrorCallback) -> dict[str, Any]:
    return {"error_cb": on_error, "logger": logger}
