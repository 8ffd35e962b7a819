"""librdkafka's properties for the three clients of a consumer, and the reasons for them."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from typing import Any

from watcher.aws import with_token
from watcher.consumer.names import is_topic
from watcher.consumer.offsets.reset import Reset
from watcher.decoding.avro import SchemaOf
from watcher.librdkafka import common_properties as common

OFFSETS = "offsets are committed after the handlers have returned"
CALLBACK = "the consumer needs it itself"
OWNED = {
    "bootstrap.servers": "use the argument brokers",
    "metadata.broker.list": "use the argument brokers",
    "group.id": "use the argument group_id",
    "enable.auto.commit": OFFSETS,
    "enable.auto.offset.store": OFFSETS,
    "offset.store.method": OFFSETS,
    "on_commit": CALLBACK,
    "error_cb": CALLBACK,
    "isolation.level": "messages of aborted transactions must not be seen",
    "enable.partition.eof": "the order across topics depends on it",
}
"""Properties that users may not set, each with the reason."""

LOGIN_CALLBACKS = ("oauth_cb",)
"""Properties of confluent-kafka's own that every client needs to log in."""

FETCH_WAIT_MS = 50
"""Longest time that a fetch waits at the broker, in milliseconds. librdkafka reports the end of a partition only after an empty
fetch, and messages may be waiting for that report.
"""

NEW_TOPICS_MS = 10_000
"""Interval for looking for topics that did not exist at the time of the subscription, in milliseconds. librdkafka's default of 5
minutes suits topics that already exist.
"""

QUEUE_KBYTES = 16 * 1024

SESSION_MS = 10_000
"""Session time-out, in milliseconds, after which other members take over from one that was killed. Heartbeats come from
librdkafka's thread, so slow handlers do not matter.
"""

TOPIC_CONFIG = "default.topic.config"

TOPIC_PREFIX = "topic."
TOPIC_LEVEL = frozenset({
    "acks", "auto.commit.enable", "auto.commit.interval.ms", "auto.offset.reset", "compression.codec", "compression.level",
    "compression.type", "consume.callback.max.messages", "delivery.timeout.ms", "enable.auto.commit", "message.timeout.ms",
    "offset.store.method", "offset.store.path", "offset.store.sync.interval.ms", "partitioner", "produce.offset.report",
    "queuing.strategy", "request.required.acks", "request.timeout.ms",
})  # fmt: skip
"""librdkafka's properties of topics. It takes each of them with TOPIC_PREFIX before its name, too."""

DEFAULT_RESET = "earliest"
"""A new group begins with the oldest message that Kafka still has."""

client_log = logging.getLogger("watcher.consumer.librdkafka")


def check_properties(properties: Mapping[str, Any], topics: Collection[str] = ()) -> None:
    """Raise ValueError if a property is reserved for the consumer, has an invalid value or two values, or hides a topic."""
    flat = flattened(properties)
    reset_of(flat)
    for name in flat:
        if name in OWNED:
            raise ValueError(f"{name} cannot be set: {OWNED[name]}")
    for pattern in filter(None, str(flat.get("topic.blacklist") or "").split(",")):
        if hidden := [topic for topic in topics if _hides(pattern, topic)]:
            raise ValueError(f"topic.blacklist hides {hidden[0]}, which is among the topics")


def flattened(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties, each under its usual name, with those of librdkafka's old `default.topic.config` merged in.

    Raises ValueError if a property is there under both of its names, with two values.
    """
    rest = {name: value for name, value in properties.items() if name != TOPIC_CONFIG}
    return {**_renamed(properties.get(TOPIC_CONFIG) or {}), **_renamed(rest)}


def _renamed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Take TOPIC_PREFIX from the names of topics' properties. Raises ValueError."""
    renamed: dict[str, Any] = {}
    for name, value in properties.items():
        short = name.removeprefix(TOPIC_PREFIX)
        usual = short if short in TOPIC_LEVEL else name
        if renamed.setdefault(usual, value) != value:
            raise ValueError(f"{TOPIC_PREFIX}{usual} and {usual} are the same property: set one of them")
    return renamed


def reset_of(properties: Mapping[str, Any]) -> Reset:
    """Return the setting of auto.offset.reset. Raises ValueError."""
    return Reset.of(flattened(properties).get("auto.offset.reset", DEFAULT_RESET))


def _hides(pattern: str, topic: str) -> bool:
    try:
        return re.search(pattern, topic) is not None
    except re.error:  # librdkafka's regular expressions are not quite Python's
        return False


def consumer_properties(brokers: str, group_id: str, properties: Mapping[str, Any], dead_letter_topic: str) -> dict[str, Any]:
    """Properties for reading as a member of the group.

    The dead-letter topic is hidden from subscriptions by pattern. Otherwise a bad record would come back for ever. Errors: those of
    `with_token`.
    """
    flat = with_token(flattened(properties), brokers)
    return {
        "auto.offset.reset": DEFAULT_RESET,
        **_membership(flat),
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "topic.metadata.refresh.interval.ms": NEW_TOPICS_MS,
        "queued.max.messages.kbytes": QUEUE_KBYTES,
        **flat,
        **_hidden(dead_letter_topic, flat.get("topic.blacklist")),
        "bootstrap.servers": brokers,
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }


def is_incremental(properties: Mapping[str, Any]) -> bool:
    """True if a rebalance moves partitions one by one (KIP-429, KIP-848), and not all at once."""
    return _broker_assigns(properties) or "cooperative" in str(properties.get("partition.assignment.strategy"))


def _broker_assigns(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("group.protocol")).lower() == "consumer"


def _membership(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties that decide how partitions are shared out. The same partition numbers of all topics go to the same member, so that
    all messages about a document do.

    With KIP-848's group.protocol=consumer the broker does this. It also sets the session time-out, and librdkafka refuses one from
    us.
    """
    if _broker_assigns(properties):
        return {"group.remote.assignor": "range"}
    longest = str(properties.get("max.poll.interval.ms"))  # librdkafka refuses a longer session time-out
    session_ms = min(SESSION_MS, int(longest)) if longest.isdecimal() else SESSION_MS
    return {"partition.assignment.strategy": "range", "session.timeout.ms": session_ms}


def _hidden(topic: str, others: str | None) -> dict[str, str]:
    """The property for librdkafka that hides a topic, as if it did not exist. `others` are the user's own patterns. A name that
    cannot be a topic needs no pattern.
    """
    if not is_topic(topic):
        return {}
    pattern = f"^{topic.replace('.', '[.]')}$"
    return {"topic.blacklist": f"{others},{pattern}" if others else pattern}


def schema_reader(properties: Mapping[str, Any], **options: Any) -> SchemaOf | None:
    """Return what knows the schemas of messages in Avro; None without properties of a registry. `options` are SchemaReader's."""
    if not properties:
        return None
    from watcher.registry.schema_reader import SchemaReader  # here, because most consumers never need it

    return SchemaReader(properties, **options)


def common_properties(brokers: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties that every client needs: brokers, login and TLS. Errors: those of `with_token`."""
    login = {name: properties[name] for name in LOGIN_CALLBACKS if name in properties}
    return {**with_token({**common(properties), **login}, brokers), "bootstrap.servers": brokers}
