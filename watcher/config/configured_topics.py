"""The topics that a watcher's settings name by themselves, without a collection, and those of them that Kafka would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from watcher.config.topic_name import folded, topic_name

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "kafka_topic_insert": ("insert",),
    "kafka_topic_update": ("update", "replace"),
    "kafka_topic_delete": ("delete",),
    "kafka_topic_control": ("rename", "drop", "dropDatabase", "invalidate", "gap", "rewind", "deadLetter"),
}
"""By setting, the operations whose messages go to its topic, and so what its `{operation}` can be."""

INTERNAL = frozenset(
    {"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata", "__remote_log_metadata"}
)
"""Kafka's own topics, which are not for the messages of clients."""

_FOLDED_INTERNAL = frozenset(map(folded, INTERNAL))


def is_internal(topic: str) -> bool:
    """Tell whether `topic` is one of Kafka's own, or one to Kafka with one of them."""
    return folded(topic) in _FOLDED_INTERNAL


def configured_topics(templates: Mapping[str, str], database: str) -> dict[str, str]:
    """Topics that can come of `templates` (by setting) without a collection, each with its setting."""
    return {topic: key for topic, key in _placed(templates, database) if "{collection}" not in topic}


def contradictions(templates: Mapping[str, str], database: str) -> Iterator[tuple[str, str, str, str]]:
    """Pairs of topics that differ and are one to Kafka: a topic and its setting, twice. `{collection}` stands for any."""
    for (topic, key), (other, other_key) in combinations(dict(_placed(templates, database)).items(), 2):
        if folded(topic) == folded(other):
            yield topic, key, other, other_key


def _placed(templates: Mapping[str, str], database: str) -> Iterator[tuple[str, str]]:
    for key, template in templates.items():
        for operation in OPERATIONS[key]:
            yield topic_name(template, operation, database), key
