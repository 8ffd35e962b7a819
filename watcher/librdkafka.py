"""Knowledge of librdkafka's properties, for all modules that make Kafka clients. Imports nothing of the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

V = TypeVar("V")

COMMON_PREFIXES = (
    "api.", "broker.", "client.", "debug", "enable.ssl.", "enable.sasl.", "https.", "metadata.", "reconnect.", "retry.",
    "sasl.", "security.", "socket.", "ssl.",
)  # fmt: skip


def common_properties(properties: Mapping[str, V]) -> dict[str, V]:
    """Return the properties that every kind of client takes. librdkafka warns of a producer's properties in a consumer, and the
    other way round."""
    return {key: value for key, value in properties.items() if key.startswith(COMMON_PREFIXES)}
