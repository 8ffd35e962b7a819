"""Which topics a watcher's settings name by themselves, without a collection, and which of them Kafka would refuse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from watcher.config.topic_name import folded, topic_name

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "kafka_topic_insert": ("insert",),
    "kafka_topic_update": ("update", "replace"),
    "kafka_topic_delete": ("delete",),
    "kafka_topic_control": ("rename", "drop", "dropDatabase", "invalidate", "gap", "rewind", "deadLetter"),
}
"""What goes to the topic of each setting, and can be its `{operation}`."""

INTERNAL = frozenset(
    {"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata", "__remote_log_metadata"}
)
"""Kafka's own topics, for what clients may not write."""

_FOLDED_INTERNAL = frozenset(map(folded, INTERNAL))


def is_internal(topic: str) -> bool:
    """Whether it is one of Kafka's own topics, or one to Kafka with one of them."""
    return folded(topic) in _FOLDED_INTERNAL


def configured_topics(templates: Mapping[str, str], database: str) -> dict[str, str]:
    """Every topic that can come of `templates` (by setting) without a collection, with its setting."""
    return {topic: key for topic, key in _placed(templates, database) if "{collection}" not in topic}


def contradictions(templates: Mapping[str, str], database: str) -> Iterator[tuple[str, str, str, str]]:
    """Two topics that are one to Kafka, and so cannot both be: each with its setting. `{collection}` stands for any."""
    yield from colliding(dict(_placed(templates, database)).items())


def colliding(topics: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """Of topics, each with whose it is, those that differ and that Kafka takes for one: topic and whose, twice."""
    for (topic, whose), (other, whose_other) in combinations(topics, 2):
        if topic != other and folded(topic) == folded(other):
            yield topic, whose, other, whose_other


def _placed(templates: Mapping[str, str], database: str) -> Iterator[tuple[str, str]]:
    for key, template in templates.items():
        for operation in OPERATIONS[key]:
            yield topic_name(template, operation, database), key
