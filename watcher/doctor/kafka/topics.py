"""Checks a watcher's topics in Kafka, and its rights on them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, OffsetSpec

from watcher.doctor.check import Check, Finding, Outcome, failed, not_checked, ok, warning
from watcher.doctor.clocks import judge_skew
from watcher.doctor.kafka.cluster import ANSWER_SECONDS, ANSWERING, Kafka
from watcher.doctor.kafka.copies import judge_copies
from watcher.errors import ConfigurationError, NotPermitted, WatcherError
from watcher.kafka.destinations import DEFAULT_MESSAGE_MAX_BYTES
from watcher.kafka.errors import translated
from watcher.kafka.topics import UnseenTopic
from watcher.librdkafka import find_offsets

RIGHTS = {AclOperation.WRITE: "Write", AclOperation.READ: "Read", AclOperation.DESCRIBE_CONFIGS: "DescribeConfigs"}
NO_TOPICS = "because none of the topics exists yet"


def topics(kafka: Kafka) -> Finding:
    """Check that the topics for messages exist, or that Kafka would let the worker create them."""
    to_come: list[str] = []
    refused: dict[str, WatcherError] = {}
    unseen: dict[str, WatcherError] = {}
    for name in kafka.names:
        try:
            to_come.extend(kafka.topics.try_ensure([name]))
        except UnseenTopic as error:
            unseen[name] = error
        except (NotPermitted, ConfigurationError) as error:
            refused[name] = error
    if refused:
        return failed("\n".join(map(str, refused.values())), _ways_to_create(kafka, refused))
    if unseen:
        return failed("\n".join(map(str, unseen.values())), kafka.acl("--operation Write", *(f"--topic {name}" for name in unseen)))
    exist = [name for name in kafka.names if name not in to_come]
    parts = [f"{', '.join(exist)} exist" if exist else "", f"the worker will create {', '.join(to_come)}" if to_come else ""]
    return ok("; ".join(filter(None, parts)))


def _ways_to_create(kafka: Kafka, refused: Mapping[str, WatcherError]) -> str:
    if hint := next((error.hint for error in refused.values() if not isinstance(error, NotPermitted)), ""):
        return hint
    commands = "\n".join(map(kafka.creation, refused))
    grant = kafka.acl("--operation Create", *(f"--topic {name}" for name in refused))
    return f"{commands}\nor {grant}"


def position_topic(kafka: Kafka) -> Finding:
    """Check that the position's topic is compacted and has one partition, or that Kafka would let the worker create it. Errors: as
    Topics.
    """
    name = kafka.settings.position_topic
    like = "--partitions 1 --config cleanup.policy=compact --config message.timestamp.type=LogAppendTime"
    try:
        exists = kafka.topics.try_ensure_position_topic()
    except UnseenTopic as error:
        return failed(str(error), kafka.acl(f"--operation Write --operation Read --topic {name}"))
    except NotPermitted as error:
        grant = kafka.acl(f"--operation Create --operation Write --operation Read --topic {name}")
        return failed(str(error), f"{kafka.creation(name, like)}\nor {grant}")
    if not exists:
        return ok(f"the worker will create {name}")
    if not (config := kafka.topics.config(name)):
        grant = kafka.acl(f"--operation DescribeConfigs --topic {name}")
        return not_checked(f"whether {name} is compacted, because that needs the right DescribeConfigs", grant)
    return judge_position_topic(name, config, kafka.topic_setting)


def judge_position_topic(name: str, config: Mapping[str, str], command: Callable[[Iterable[str], str], str]) -> Finding:
    """Judge the position's topic. `config` holds its settings. `command` makes the command that changes a setting."""
    if config.get("unclean.leader.election.enable") == "true":
        text = f"{name} may lose the last positions when brokers die, and the changes after an older one come again"
        return warning(text, command([name], "unclean.leader.election.enable=false"))
    if "compact" not in config.get("cleanup.policy", "compact"):
        return warning(f"{name} exists, and grows for ever: it is not compacted", command([name], "cleanup.policy=compact"))
    return ok(f"{name} exists, and is compacted")


def rights(kafka: Kafka) -> Finding:
    """Check that the principal may do what workers do on the topics that exist, and may see those that do not exist yet.

    Kafka tells no more about the latter.
    """
    allowed: dict[str, set[AclOperation] | None] = {}
    for name in kafka.known_names:
        with contextlib.suppress(LookupError):
            allowed[name] = _allowed(kafka, name)
    if not allowed:
        return not_checked(NO_TOPICS)
    if None in allowed.values():
        return not_checked("because this broker does not tell the rights")
    return judge_rights(kafka, {name: operations or set() for name, operations in allowed.items()})


def _allowed(kafka: Kafka, name: str) -> set[AclOperation] | None:
    """Return the rights of the principal on the topic; None if the broker does not tell. Raises LookupError if there is no such
    topic.
    """
    asked = kafka.admin.describe_topics(TopicCollection([name]), include_authorized_operations=True, request_timeout=ANSWER_SECONDS)
    with translated(f"asking for the rights on {name}"):
        try:
            told = asked[name].result().authorized_operations
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise LookupError(name) from None
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return set()  # Write and Read would include Describe
            raise
    return None if told is None else set(told)


def judge_rights(kafka: Kafka, allowed: Mapping[str, set[AclOperation]]) -> Finding:
    """Judge the rights. Without Write, and Read on the position, nothing works; without DescribeConfigs sizes are not known."""
    needed = {name: {AclOperation.WRITE} for name in allowed}
    needed.get(kafka.settings.position_topic, set()).add(AclOperation.READ)
    if missing := {name: needed[name] - allowed[name] for name in allowed if needed[name] - allowed[name]}:
        text = "; ".join(f"no {' and no '.join(_in_words(operations))} on {name}" for name, operations in missing.items())
        return failed(text, _grants(kafka, missing))
    told = {AclOperation.DESCRIBE_CONFIGS}
    if unknown := {name: told for name in allowed if not told & allowed[name]}:
        return warning(f"no DescribeConfigs on {', '.join(unknown)}: the worker cannot see size limits", _grants(kafka, unknown))
    if kafka.settings.high_availability and (
        unread := {name: {AclOperation.READ} for name in allowed if AclOperation.READ not in allowed[name]}
    ):
        text = f"no Read on {', '.join(unread)}: a host with an empty disk would take a deleted position topic for a first start"
        return warning(text, _grants(kafka, unread))
    return ok(f"Write on {len(allowed)} topic{'s' if len(allowed) != 1 else ''}, Read on the position, DescribeConfigs")


def _in_words(operations: Iterable[AclOperation]) -> list[str]:
    return sorted(RIGHTS[operation] for operation in operations)


def _grants(kafka: Kafka, missing: Mapping[str, set[AclOperation]]) -> str:
    return "\n".join(
        kafka.acl(*(f"--operation {word}" for word in _in_words(operations)), f"--topic {name}")
        for name, operations in missing.items()
    )


def replication(kafka: Kafka) -> Finding:
    """Check that the topics have enough in-sync copies to be written to."""
    found = kafka.existing()
    if not found:
        return not_checked(NO_TOPICS)
    told = {name: config["min.insync.replicas"] for name in found if (config := kafka.topics.config(name))}
    judged = judge_copies(found, len(kafka.metadata().brokers), {name: int(least) for name, least in told.items()})
    if judged.outcome is Outcome.OK and (unknown := found.keys() - told):
        grant = kafka.acl("--operation DescribeConfigs", *(f"--topic {name}" for name in sorted(unknown)))
        return not_checked(f"whether they are enough for min.insync.replicas, which needs DescribeConfigs: {judged.text}", grant)
    return judged


def sizes(kafka: Kafka) -> Finding:
    """Check that the topics accept messages as large as the worker may send."""
    found = kafka.existing()
    if not found:
        return not_checked(NO_TOPICS)
    limits = {name: limit for name in found if (limit := kafka.topics.max_message_bytes(name))}
    ours = int(kafka.settings.kafka.get("message.max.bytes", DEFAULT_MESSAGE_MAX_BYTES))
    if small := {name: limit for name, limit in limits.items() if limit < ours}:
        text = "; ".join(f"{name} takes {limit:,} bytes" for name, limit in small.items())
        larger = kafka.topic_setting(small, f"max.message.bytes={ours}")
        return warning(f"{text}, and the worker could send {ours:,}: larger messages lose fields (on_large_event)", larger)
    if unknown := sorted(found.keys() - limits):
        grant = kafka.acl("--operation DescribeConfigs", *(f"--topic {name}" for name in unknown))
        return not_checked("because that needs the right DescribeConfigs", grant)
    return ok(f'up to {ours:,} bytes a message ("message.max.bytes" in [kafka]), which all topics take')


def clock(kafka: Kafka) -> Finding:
    """Check that the broker's clock is not ahead of this host's. Only records that the broker has stamped show its time: the
    positions.
    """
    name = kafka.settings.position_topic
    unknown = not_checked("because a broker's time shows only in the positions that it has stamped, and there are none")
    if name not in kafka.existing() or kafka.topics.config(name).get("message.timestamp.type") != "LogAppendTime":
        return unknown
    only = (name, 0)
    with translated(f"asking for the newest time in {name}"):
        newest = OffsetSpec.max_timestamp()
        found = find_offsets(kafka.admin, [only], newest, IsolationLevel.READ_UNCOMMITTED, request_s=ANSWER_SECONDS)
        stamped_ms = int(found[only].timestamp)
    return judge_stamp(stamped_ms / 1000 - kafka.now()) if stamped_ms > 0 else unknown


def judge_stamp(ahead_seconds: float) -> Finding:
    """Judge the newest position's time stamp, which is `ahead_seconds` ahead of this host's clock. An old one proves nothing
    against the broker.
    """
    return judge_skew(ahead_seconds, "Kafka") if ahead_seconds > 0 else ok("Kafka's is not ahead of this host's")


CHECKS: tuple[Check[Kafka], ...] = (
    Check("kafka.topics", topics, needs=ANSWERING),
    Check("kafka.position-topic", position_topic, needs=ANSWERING),
    Check("kafka.rights", rights, needs=ANSWERING),
    Check("kafka.replication", replication, needs=ANSWERING),
    Check("kafka.message-size", sizes, needs=ANSWERING),
    Check("kafka.clock", clock, needs=ANSWERING),
)
