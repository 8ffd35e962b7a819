"""The topics that follow from a watcher's settings alone, without a collection, and those of them that Kafka would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from watcher.config.topics.name import folded, topic_name
from watcher.operations import BY_TOPIC

INTERNAL = frozenset(
    {"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata", "__remote_log_metadata"}
)
"""Kafka's own topics. Clients must not write to them."""

_FOLDED_INTERNAL = frozenset(map(folded, INTERNAL))


def is_internal(topic: str) -> bool:
    """True if `topic` is one of Kafka's own topics, or if Kafka would take it for one of them."""
    return folded(topic) in _FOLDED_INTERNAL


def configured_topics(templates: Mapping[str, str], database: str | None) -> dict[str, str]:
    """The topics that `templates` (by setting) give without a collection, each with its setting. `database` is None for several."""
    return {topic: key for topic, key in _placed(templates, database) if "{" not in topic}


def contradictions(templates: Mapping[str, str], database: str | None) -> Iterator[tuple[str, str, str, str]]:
    """Yield pairs of topics that Kafka would take for the same: topic, setting, topic, setting. What is in braces stands
    for any name."""
    for (topic, key), (other, other_key) in combinations(dict(_placed(templates, database)).items(), 2):
        if folded(topic) == folded(other):
            yield topic, key, other, other_key


def _placed(templates: Mapping[str, str], database: str | None) -> Iterator[tuple[str, str]]:
    for key, template in templates.items():
        for operation in BY_TOPIC[key.removeprefix("kafka_topic_")]:
            yield topic_name(template, operation, database), key
