"""The topics a watcher writes to: that they exist, and how large a message they take."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from watcher.config import Settings
from watcher.errors import ConfigurationError, NotPermitted, PositionUnsafe, WatcherError
from watcher.stream.kafka_config import ErrorCallback, admin_config
from watcher.stream.kafka_errors import NOT_AUTHORISED, as_watcher_error, translated

REQUEST_SECONDS = 6.0

REFUSED_NUMBERS = {KafkaError.INVALID_PARTITIONS, KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION}

POSITION_TOPIC_CONFIG = {
    "cleanup.policy": "compact",
    # Else a worker whose clock is an hour ahead of the broker's could not save its position (message.timestamp.after.max.ms).
    "message.timestamp.type": "LogAppendTime",
    # Small segments, so that compaction gets at a record a transaction soon and the topic stays small.
    "segment.bytes": str(16 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}


class UnseenTopic(NotPermitted):
    """Kafka shows a topic only to those who have a right on it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="Grant Write on it, and Read as well on the position topic: each has Describe in it.")


class Topics:
    """Creates what is missing, once per name. A broker's auto-creation could not make the position topic compacted."""

    def __init__(self, settings: Settings, on_error: ErrorCallback) -> None:
        self._settings = settings
        self._admin = AdminClient(admin_config(settings, on_error))
        self._known: set[str] = set()
        self._limits: dict[str, int | None] = {}

    def ensure(self, names: Collection[str]) -> None:
        """Create the topics that are missing, with `topic_partitions` and `topic_replication_factor`. Cheap when all are known.

        Errors: Outage; NotPermitted when they're missing and may not be created; ConfigurationError when the numbers are refused.
        """
        if not self._known.issuperset(names):
            self._create(self._missing(names))

    def try_ensure(self, names: Collection[str]) -> list[str]:
        """The topics that are missing, when Kafka says that `ensure` may create them; none is created.

        Errors: as `ensure`; UnseenTopic.
        """
        missing = self._missing(names)
        self._create(missing, only_try=True)
        return [topic.topic for topic in missing]

    def ensure_position_topic(self) -> None:
        """Create `<kafka_client_id>.position` if it's missing: compacted, one partition.

        Errors: as `ensure`; PositionUnsafe when it's there, but Kafka would delete the position after a while, or the
        position could be written where nobody looks for it.
        """
        self._create(self._missing_position_topic())

    def try_ensure_position_topic(self) -> bool:
        """Whether it's there, after Kafka was asked whether it may be created if not. Errors: as `ensure_position_topic`."""
        missing = self._missing_position_topic()
        self._create(missing, only_try=True)
        return not missing

    def exists(self, name: str) -> bool:
        """Whether there is a topic of this name, without creating it. Errors: Outage; UnseenTopic."""
        if name in self._existing():
            return True
        try:
            self._admin.describe_topics(TopicCollection([name]), request_timeout=REQUEST_SECONDS)[name].result()
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            if failure.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return False
            if failure.code() in NOT_AUTHORISED:
                raise UnseenTopic(f"Kafka: whether topic {name} exists is not for this principal to know.") from error
            raise as_watcher_error(failure, f"asking for topic {name}") from error
        return True

    def max_message_bytes(self, name: str) -> int | None:
        """The topic's `max.message.bytes`; None when the broker doesn't tell."""
        if name not in self._limits:
            limit = self.config(name).get("max.message.bytes")
            self._limits[name] = int(limit) if limit else None
        return self._limits[name]

    def config(self, name: str) -> dict[str, str]:
        """The topic's settings; empty without the right DescribeConfigs."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        try:
            entries = self._admin.describe_configs([resource], request_timeout=REQUEST_SECONDS)[resource].result()
        except KafkaException:
            return {}
        return {key: str(entry.value) for key, entry in entries.items()}

    def report_troubles(self) -> None:
        """Let librdkafka tell `on_error` what it has met with; during the calls above it only collects."""
        self._admin.poll(0)

    def _existing(self) -> dict[str, int]:
        """The topics, and how many partitions each has."""
        with translated("asking for the topics"):
            topics = self._admin.list_topics(timeout=REQUEST_SECONDS).topics
        self._known = set(topics)
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def _missing(self, names: Collection[str]) -> list[NewTopic]:
        missing = set(names) - self._existing().keys()
        return [
            NewTopic(name, self._settings.topic_partitions, self._settings.topic_replication_factor) for name in sorted(missing)
        ]

    def _missing_position_topic(self) -> list[NewTopic]:
        name = self._settings.position_topic
        partitions = self._existing().get(name)
        if partitions is None:
            return [NewTopic(name, 1, self._settings.topic_replication_factor, config=POSITION_TOPIC_CONFIG)]
        if "compact" not in self.config(name).get("cleanup.policy", "compact"):
            raise PositionUnsafe(
                f"The position topic {name} is not compacted: Kafka will delete the position when it is old.",
                hint=f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact",
            )
        if partitions > 1:
            raise PositionUnsafe(
                f"The position topic {name} has {partitions} partitions: the position is looked for in the first alone.",
                hint=f"Delete it, then kafka-topics.sh --create --topic {name} --partitions 1 --config cleanup.policy=compact",
            )
        return []

    def _create(self, topics: list[NewTopic], *, only_try: bool = False) -> None:
        if not topics:
            return
        futures = self._admin.create_topics(
            topics, operation_timeout=REQUEST_SECONDS, request_timeout=REQUEST_SECONDS, validate_only=only_try
        )
        for name, future in futures.items():
            is_there = self._finish_creation(name, future)
            if is_there and only_try:
                raise UnseenTopic(f"Kafka: topic {name} exists, and this principal may not see it.")
            if not only_try:
                self._known.add(name)

    def _finish_creation(self, name: str, future: Future[Any]) -> bool:
        """Whether it was there already."""
        try:
            future.result()
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            if failure.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _creation_error(name, failure) from error
            return True
        return False


def _made_how(name: str) -> str:
    return " with one partition and cleanup.policy=compact" if name.endswith(".position") else ""


def _creation_error(name: str, failure: KafkaError) -> WatcherError:
    if failure.code() in NOT_AUTHORISED:
        return NotPermitted(
            f"Kafka: topic {name} does not exist, and this principal may not create it.",
            hint=f"Have an administrator create {name}{_made_how(name)}, or grant Create on it. "
            "If it does exist, this principal cannot see it: grant Write.",
        )
    if failure.code() in REFUSED_NUMBERS:
        return ConfigurationError(
            f"Kafka refuses to create topic {name}: {failure.str()}",
            hint="Change topic_partitions or topic_replication_factor, or create the topic yourself.",
        )
    return as_watcher_error(failure, f"creating topic {name}")
