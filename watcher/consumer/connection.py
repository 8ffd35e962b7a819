"""librdkafka's properties for the three clients of a consumer, with the reasons."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from watcher.librdkafka import common_properties as common

OWNED = {
    "bootstrap.servers": "it is the argument brokers",
    "group.id": "it is the argument group_id",
    "enable.auto.commit": "offsets are committed after the handlers have returned",
    "enable.auto.offset.store": "offsets are committed after the handlers have returned",
    "isolation.level": "messages of aborted transactions must not be seen",
    "enable.partition.eof": "the order across topics stands on it",
}
"""What users may not set, each with the reason."""

FETCH_WAIT_MS = 50
"""The end of a partition is told only after a fetch came back empty, and messages may wait for that."""

NEW_TOPICS_MS = 10_000
"""How soon a topic is noticed that did not exist when we subscribed; librdkafka's 5 minutes are for those that do."""

QUEUE_KBYTES = 16 * 1024

SESSION_MS = 10_000
"""How soon the others take over from a member that was killed. Heartbeats come from librdkafka's thread, whatever handlers do."""

TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]+")

client_log = logging.getLogger("watcher.consumer.librdkafka")


def check_properties(properties: Mapping[str, Any]) -> None:
    """Raise ValueError if one of them is ours to set."""
    for name in properties:
        if name in OWNED:
            raise ValueError(f"{name} cannot be set: {OWNED[name]}")


def consumer_properties(brokers: str, group_id: str, properties: Mapping[str, Any], dead_letter_topic: str) -> dict[str, Any]:
    """For reading as a member of the group. Patterns don't see the dead-letter topic: a bad record would come back for ever."""
    return {
        "auto.offset.reset": "earliest",  # a new group begins with the first message that Kafka still has
        "partition.assignment.strategy": "range",  # same partition numbers of all topics to one member: a document stays whole
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "topic.metadata.refresh.interval.ms": NEW_TOPICS_MS,
        "session.timeout.ms": SESSION_MS,
        "queued.max.messages.kbytes": QUEUE_KBYTES,
        **properties,
        **_hidden(dead_letter_topic, properties.get("topic.blacklist")),
        "bootstrap.servers": brokers,
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }


def _hidden(topic: str, others: str | None) -> dict[str, str]:
    """librdkafka's list of patterns of topics that are as if they did not exist. What cannot be a topic's name is none."""
    if not TOPIC_NAME.fullmatch(topic):
        return {}
    pattern = f"^{topic.replace('.', '[.]')}$"
    return {"topic.blacklist": f"{others},{pattern}" if others else pattern}


def common_properties(brokers: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """For any client: brokers, login and TLS."""
    return {**common(properties), "bootstrap.servers": brokers}
