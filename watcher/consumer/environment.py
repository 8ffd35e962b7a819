"""Reads a consumer's arguments from the environment variables of the integration guide."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from watcher.errors import ConfigurationError

DEFAULT_BROKERS = "localhost:9092"
DEFAULT_CONTROL = "database.control"
ROW_TOPICS = {
    "KAFKA_TOPIC_INSERT": "database.insert",
    "KAFKA_TOPIC_UPDATE": "database.update",
    "KAFKA_TOPIC_DELETE": "database.delete",
}

PLACEHOLDER = re.compile(r"\{[A-Za-z]")
"""Beginning of a placeholder; a count in a regular expression, such as {2}, begins with a digit."""


class KafkaConnection(NamedTuple):
    """The arguments of a consumer that environment variables set."""

    brokers: str
    group_id: str
    topics: list[str]
    kafka: dict[str, Any]


def read_environment(environment: Mapping[str, str]) -> KafkaConnection:
    """Read the arguments from the variables. An empty variable counts as not set. Raises ConfigurationError."""
    group_id = environment.get("KAFKA_GROUP_ID")
    if not group_id:
        raise ConfigurationError("KAFKA_GROUP_ID is not set.", hint="It names the group of consumers, such as profession-service.")
    brokers = environment.get("KAFKA_BROKERS") or DEFAULT_BROKERS
    return KafkaConnection(brokers, group_id, _topics(environment), _properties(environment.get("KAFKA") or "{}"))


def _topics(environment: Mapping[str, str]) -> list[str]:
    """The topics, by a watcher's own rule: KAFKA_DB_CHANGES_TOPIC is used for the operations without a topic of their own."""
    everything = environment.get("KAFKA_DB_CHANGES_TOPIC")
    rows = [environment.get(name) or everything or default for name, default in ROW_TOPICS.items()]
    topics = list(dict.fromkeys([*rows, environment.get("KAFKA_TOPIC_CONTROL") or DEFAULT_CONTROL]))
    if placeholders := [topic for topic in topics if PLACEHOLDER.search(topic)]:
        raise ConfigurationError(
            f"A consumer cannot subscribe to {placeholders[0]!r}.",
            hint="Write a regular expression that begins with ^, such as ^dashboard\\..*\\.insert$.",
        )
    return topics


def _properties(text: str) -> dict[str, Any]:
    try:
        properties = json.loads(text)
    except ValueError:
        properties = None
    if not isinstance(properties, dict):
        raise ConfigurationError("KAFKA must be a JSON object.", hint='For example {"security.protocol": "SASL_SSL"}.')
    return properties
