"""Names of topics, as Kafka allows them."""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST_TOPIC = 249
LEGAL = re.compile(r"[A-Za-z0-9._-]+")
PATTERN = "^"
"""With what a regular expression among the topics begins (librdkafka)."""

RULE = f"a topic has at most {LONGEST_TOPIC} of the characters A-Z, a-z, 0-9, '.', '_' and '-'"


def is_topic(name: str) -> bool:
    """Whether Kafka can have a topic of this name (org.apache.kafka.common.internals.Topic)."""
    return LEGAL.fullmatch(name) is not None and len(name) <= LONGEST_TOPIC and name not in {".", ".."}


def check_topics(topics: Collection[str]) -> None:
    """Raise ValueError for a topic that can never be there."""
    for topic in topics:
        if not topic.startswith(PATTERN) and not is_topic(topic):
            raise ValueError(f"there can be no topic {topic!r}: {RULE}; a regular expression begins with {PATTERN}")


def check_dead_letter_topic(name: str, topics: Collection[str]) -> None:
    """Raise ValueError where the first bad message would find that it cannot be put there."""
    if not is_topic(name):
        raise ValueError(f"the dead letters cannot go to {name!r}: {RULE}. Set the option dead_letter_topic")
    if alike := next((each for each in topics if _alike(each) == _alike(name)), None):
        raise ValueError(f"the dead letters cannot go to {name}: Kafka takes it for {alike}. Set the option dead_letter_topic")


def _alike(name: str) -> str:
    """Kafka refuses a topic that differs from another one in `.` and `_` alone: its metrics could not tell them apart."""
    return name.replace(".", "_")
