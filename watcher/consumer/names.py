"""Rules for the names of Kafka topics."""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST_TOPIC = 249
LEGAL = re.compile(r"[A-Za-z0-9._-]+")
PATTERN = "^"
"""Prefix of a regular expression among the topics (librdkafka)."""

RULE = f"a topic has at most {LONGEST_TOPIC} of the characters A-Z, a-z, 0-9, '.', '_' and '-'"


def is_topic(name: str) -> bool:
    """True if Kafka can have a topic of this name (org.apache.kafka.common.internals.Topic)."""
    return LEGAL.fullmatch(name) is not None and len(name) <= LONGEST_TOPIC and name not in {".", ".."}


def check_topics(topics: Collection[str]) -> None:
    """Raise ValueError for a topic that can never exist."""
    for topic in topics:
        if not topic.startswith(PATTERN) and not is_topic(topic):
            raise ValueError(f"there can be no topic {topic!r}: {RULE}; a regular expression begins with {PATTERN}")


def check_dead_letter_topic(name: str, topics: Collection[str]) -> None:
    """Raise ValueError if dead letters could not be written to this topic. Otherwise only the first bad message would show it."""
    if not is_topic(name):
        raise ValueError(f"the dead letters cannot go to {name!r}: {RULE}. Set the option dead_letter_topic")
    if alike := next((each for each in topics if _alike(each) == _alike(name)), None):
        raise ValueError(f"the dead letters cannot go to {name}: Kafka takes it for {alike}. Set the option dead_letter_topic")


def _alike(name: str) -> str:
    """Return the name as Kafka's metrics show it. Kafka refuses a topic that differs from another one only in `.` and `_`, because
    its metrics could not tell them apart.
    """
    return name.replace(".", "_")
