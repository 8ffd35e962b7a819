"""Limits for properties of `[kafka]` with which a worker would wait for ever: for an answer that is always given up too early, or
for room in a queue that is too small.

Such values are raised and not refused: with a broker that is near and idle, most of them work.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.config.kafka.librdkafka import PropertyValue

TRANSACTION_TIMEOUT_MS = 30_000
"""The open transaction of a dead worker blocks read_committed consumers for this long, unless the worker comes back sooner."""

LEAST_MS = 5_000
"""The shortest wait for an answer or a delivery."""

_DEFAULT_MESSAGE_BYTES = 1_000_000
_TRANSACTION_KBYTES = 4 * 1024
"""The most that is in librdkafka's queue at once: a transaction, or a single message."""

LEAST: Mapping[str, int] = {
    "socket.timeout.ms": LEAST_MS,
    "request.timeout.ms": LEAST_MS,
    "message.timeout.ms": LEAST_MS,
    "delivery.timeout.ms": LEAST_MS,
    "api.version.request.timeout.ms": LEAST_MS,
    "metadata.request.timeout.ms": LEAST_MS,
    "connections.max.idle.ms": LEAST_MS,
    "receive.message.max.bytes": 10_000_000,  # an answer about many partitions is large
    "queue.buffering.max.messages": 100_000,  # the most events of a batch
    "queue.buffering.max.kbytes": _TRANSACTION_KBYTES,  # and the largest message
}
"""The least value of each property that a worker takes."""

_FROM = {"socket.timeout.ms": 10, "metadata.request.timeout.ms": 10, "receive.message.max.bytes": 1000}
"""The least value that librdkafka takes, where it is not 1. It refuses less, so a smaller one stays as it is. 0 means no limit."""


def within_limits(properties: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Return the properties with those raised that are less than `LEAST`. No time becomes longer than a transaction may take, since
    librdkafka refuses that."""
    return {name: _raised(name.removeprefix("topic."), value, properties) for name, value in properties.items()}


def _raised(name: str, value: PropertyValue, properties: Mapping[str, PropertyValue]) -> PropertyValue:
    number = _number(value)
    if name not in LEAST or number is None or number < _FROM.get(name, 1):
        return value
    least = LEAST[name]
    if name.endswith(".ms"):
        least = min(least, _number(properties.get("transaction.timeout.ms")) or TRANSACTION_TIMEOUT_MS)
    if name == "queue.buffering.max.kbytes":
        least += (_number(properties.get("message.max.bytes")) or _DEFAULT_MESSAGE_BYTES) // 1024 + 1
    return value if number >= least else least


def _number(value: object) -> int | None:
    """The whole number that librdkafka reads in `value`; None if there is none."""
    try:
        return int(str(value), 0)
    except ValueError:
        return None
