"""Finds out why Kafka refused a write, by asking about the topics afterwards, if the error itself says too little.

librdkafka retries by itself after errors that may pass, and in the end says only that messages have timed out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from watcher.errors import ConfigurationError, NotPermitted, Outage, WatcherError
from watcher.kafka.error_table import COPIES_HINT, MISSING_HINT, MOVING_HINT
from watcher.kafka.topics import Topics
from watcher.model import Message

TIMED_OUT = {"_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT"}

MISSING = {"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID", "_UNKNOWN_TOPIC"}

NEVER = 2**63 - 1
"""Kafka's default for the age from which it refuses a record, in milliseconds."""

OLDEST_SETTINGS = ("message.timestamp.before.max.ms", "message.timestamp.difference.max.ms")
"""Settings for the largest age of a record that carries its own time. Before Kafka 3.6 it is the second (KIP-937)."""


POSITION = "position"
"""Operation of the records in the position topic. Their own size is looked at before they are written."""

POSITION_HINT = "The worker opens again. Without its position, on_position_lost decides how it goes on."


def reason(error: Outage, topics: Topics, messages: Sequence[Message]) -> WatcherError:
    """Return a better error for a write of `messages` that ended with `error`, or `error` itself if Kafka tells no reason."""
    with contextlib.suppress(WatcherError):
        return next(_reasons(error, topics, messages), error)
    return error


def oldest_allowed_ms(config: Mapping[str, str]) -> int:
    """Return the age in milliseconds up to which a topic with these settings takes records; NEVER if it is not known."""
    if config.get("message.timestamp.type") == "LogAppendTime":
        return NEVER
    return min(int(config.get(name, NEVER)) for name in OLDEST_SETTINGS)


def _reasons(error: Outage, topics: Topics, messages: Sequence[Message]) -> Iterator[WatcherError]:
    names = sorted({message.topic for message in messages})
    if error.code == "INVALID_TIMESTAMP":
        yield from _too_old(topics, messages)
    elif error.code == "MSG_SIZE_TOO_LARGE":
        yield from _unknown_limit(error, topics, sorted({message.topic for message in messages if message.operation != POSITION}))
    elif error.code in MISSING:
        yield from _missing(error, topics, messages)
    elif error.code in TIMED_OUT:
        yield from _missing(error, topics, messages)
        yield from _unwritable(error, topics, names)


def _too_old(topics: Topics, messages: Sequence[Message]) -> Iterator[WatcherError]:
    oldest = {message.topic: message.timestamp_ms for message in sorted(messages, key=lambda message: -message.timestamp_ms)}
    for name, timestamp_ms in oldest.items():
        allowed_ms = oldest_allowed_ms(topics.config(name))
        if time.time() * 1000 - timestamp_ms > allowed_ms:
            yield ConfigurationError(
                f"Kafka: topic {name} takes no change that is older than {allowed_ms / 1000:.0f} s.",
                hint=f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --delete-config {OLDEST_SETTINGS[0]} "
                f"(before Kafka 3.6 {OLDEST_SETTINGS[1]}), or raise it.",
            )


def _unknown_limit(error: Outage, topics: Topics, names: Sequence[str]) -> Iterator[WatcherError]:
    if any(topics.max_message_bytes(name) is None for name in names):
        yield NotPermitted(
            f"{error}; and how large one may be is not known.",
            hint="Grant DescribeConfigs on the topic, so that on_large_event can be applied; or set "
            '"message.max.bytes" in [kafka] to its limit.',
        )


def _missing(error: Outage, topics: Topics, messages: Sequence[Message]) -> Iterator[WatcherError]:
    of_position = {message.topic for message in messages if message.operation == POSITION}
    for name in sorted({message.topic for message in messages}):
        # A topic without partitions need not be gone: Kafka may list it with an error, or not show it.
        if not topics.partitions(name) and not topics.exists(name):
            text = f"Kafka: topic {name} was deleted, with the messages in it."
            hint = POSITION_HINT if name in of_position else MISSING_HINT
            yield Outage(text, hint=hint, component=error.component, code=error.code)


def _unwritable(error: Outage, topics: Topics, names: Sequence[str]) -> Iterator[WatcherError]:
    for name in names:
        partitions = topics.partitions(name).values()
        if any(partition.leader < 0 for partition in partitions):
            yield _explained(error, f"a partition of {name} has no leader", MOVING_HINT)
        in_step = min((len(partition.isrs) for partition in partitions), default=0)
        wanted = int(topics.config(name).get("min.insync.replicas", 1))
        if partitions and in_step < wanted:
            yield _explained(error, f"copies of {name} in step: {in_step}, and min.insync.replicas is {wanted}", COPIES_HINT)


def _explained(error: Outage, why: str, hint: str) -> Outage:
    return Outage(f"{str(error).rstrip('.')}: {why}.", hint=hint, component=error.component, code=error.code)
