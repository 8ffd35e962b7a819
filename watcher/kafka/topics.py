"""The topics to which a watcher writes: creates them, and reads the size of the messages that they take."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, PartitionMetadata, ResourceType

from watcher.config import Settings
from watcher.config.topics.configured import is_internal
from watcher.config.topics.name import distinct, folded, topic_pattern
from watcher.errors import ConfigurationError, NameTaken, NotPermitted, WatcherError
from watcher.kafka.errors import NOT_AUTHORISED, as_watcher_error, translated
from watcher.kafka.position_topic import POSITION_TOPIC_CONFIG, check_position_topic
from watcher.kafka.properties import ErrorCallback, admin_config
from watcher.operations import ROW_OPERATIONS

REQUEST_SECONDS = 6.0

UNANSWERED = {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT, KafkaError.NETWORK_EXCEPTION}
"""Codes of a question that was lost: it says nothing about the topic."""


CreatedCallback = Callable[[Sequence[str]], None]


class UnseenTopic(NotPermitted):
    """A topic exists, but Kafka shows it only to principals with a right on it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="Grant Write on it, and Read as well on the position topic: each has Describe in it.")


class Topics:
    """Creates missing topics, once per name. A broker's auto-creation could not make the position topic compacted."""

    def __init__(self, settings: Settings, on_error: ErrorCallback, on_created: CreatedCallback = lambda _: None) -> None:
        """`on_created` is told the names of the topics that were missing and are created."""
        self._settings = settings
        self._on_created = on_created
        self._admin = AdminClient(admin_config(settings, on_error))
        self._known: set[str] = set()
        self._limits: dict[str, int | None] = {}
        self._chosen: dict[tuple[str, str], str] = {}

    def ensure(self, names: Collection[str]) -> None:
        """Create the missing topics, with the settings `topic_…`. This is cheap if all are known.

        Errors: Outage; NotPermitted if one is missing and may not be created; ConfigurationError if Kafka refuses the numbers, and
        NameTaken if it refuses a name.
        """
        if not self._known.issuperset(names):
            self._create(self._missing(names))

    def ensure_one_of(self, plain: str, apart: str) -> str:
        """Create a collection's topic if it is missing; returns the one of its possible names that it has.

        The name is `plain`, unless Kafka has another topic that differs only in `.` and `_`, or the name serves something else.
        Then it is `apart`, and if that is taken as well, `apart` with a digest. The existing topics decide: so the choice is the
        same after a restart, on another host, and when the other topic is gone.

        Errors: as `ensure`; ConfigurationError if no name is possible.
        """
        if (chosen := self._chosen.get((plain, apart))) is None:
            chosen = self._chosen[plain, apart] = self._one_of(plain, apart)
        return chosen

    def _one_of(self, plain: str, apart: str) -> str:
        names = [plain, apart, distinct(apart, plain)]
        if self._known.isdisjoint(names):
            self._existing()
        first = next((name for name in reversed(names[1:]) if name in self._known), apart if self._is_taken(plain) else plain)
        for name in names[names.index(first) : -1]:
            # The other topic may have been made a moment ago, or this principal may not see it.
            with contextlib.suppress(NameTaken):
                self.ensure([name])
                return name
        self.ensure(names[-1:])
        return names[-1]

    def ensure_configured(self, names: Collection[str]) -> None:
        """Create the missing ones of the topics that the settings name. Errors: as `ensure`; NameTaken also for another watcher's
        position topic."""
        self.ensure(names)
        if kept := sorted(filter(self._keeps_a_position, names)):
            text = f"Kafka: topic {kept[0]} is where a watcher keeps its position."
            raise NameTaken(text, hint="Name another topic in the settings.")

    def try_ensure(self, names: Collection[str]) -> list[str]:
        """Return the missing topics, if Kafka says that `ensure` may create them; none is created.

        Errors: as `ensure`; UnseenTopic.
        """
        missing = self._missing(names)
        self._create(missing, only_try=True)
        return [topic.topic for topic in missing]

    def ensure_position_topic(self) -> None:
        """Create `<kafka_client_id>.position` if it is missing: compacted, with one partition.

        Errors: as `ensure`; those of `check_position_topic`.
        """
        self._create(self._missing_position_topic())

    def check_position_topic(self) -> None:
        """Check the position topic again, if it exists. Errors: Outage; PositionUnsafe."""
        self._missing_position_topic()

    def try_ensure_position_topic(self) -> bool:
        """Return True if the position topic exists; if not, ask Kafka whether it may be created. Errors: as
        `ensure_position_topic`."""
        missing = self._missing_position_topic()
        self._create(missing, only_try=True)
        return not missing

    def exists(self, name: str) -> bool:
        """Return True if there is a topic of this name; none is created. Errors: Outage; UnseenTopic."""
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

    def partitions(self, name: str) -> Mapping[int, PartitionMetadata]:
        """Return the partitions of the topic, none if there is no such topic. No topic is created. Errors: Outage."""
        return self._existing().get(name, {})

    def max_message_bytes(self, name: str) -> int | None:
        """Return the topic's `max.message.bytes`; None if the broker does not tell."""
        if name not in self._limits:
            limit = self.config(name).get("max.message.bytes")
            self._limits[name] = int(limit) if limit else None
        return self._limits[name]

    def config(self, name: str) -> dict[str, str]:
        """Return the topic's settings; empty without the right DescribeConfigs. Errors: Outage if the broker does not answer."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        try:
            entries = self._admin.describe_configs([resource], request_timeout=REQUEST_SECONDS)[resource].result()
        except KafkaException as error:
            if error.args[0].code() in UNANSWERED:
                raise as_watcher_error(error.args[0], f"asking for the settings of topic {name}") from error
            return {}
        return {key: str(entry.value) for key, entry in entries.items() if entry.value is not None}

    def report_troubles(self) -> None:
        """Let librdkafka report its troubles to `on_error`; during the other calls it only collects them."""
        self._admin.poll(0)

    def _is_taken(self, name: str) -> bool:
        """Return True if the name serves something else, or if Kafka would take it for another topic's."""
        if is_internal(name) or folded(name) == folded(self._settings.position_topic) or self._keeps_a_position(name):
            return True
        if name in self._known:
            return False
        others = (*self._known, *self._settings.configured_topics)  # a copy, since two threads may create topics
        return any(folded(other) == folded(name) and other != name for other in others)

    def _keeps_a_position(self, name: str) -> bool:
        """Return True if a watcher, here or elsewhere, keeps its position in this topic, judged by its name, partitions and policy.

        It may have been made by hand, with other settings than ours. Without the right DescribeConfigs nothing is known.
        """
        if not folded(name).endswith(folded(".position")) or len(self.partitions(name)) != 1:
            return False
        return self.config(name).get("cleanup.policy") == "compact"

    def _existing(self) -> dict[str, dict[int, PartitionMetadata]]:
        """Ask Kafka for its topics; returns the partitions of each."""
        with translated("asking for the topics"):
            topics = self._admin.list_topics(timeout=REQUEST_SECONDS).topics
        self._known = set(topics)
        return {name: topic.partitions for name, topic in topics.items()}

    def _missing(self, names: Collection[str]) -> list[NewTopic]:
        missing = set(names) - self._existing().keys()
        partitions, copies = self._settings.topic_partitions, self._settings.topic_replication_factor
        return [NewTopic(name, partitions, copies, config=self._config_of(name)) for name in sorted(missing)]

    def _config_of(self, name: str) -> dict[str, str]:
        """Return the properties to create a topic with. A control topic has none of them: compacted, it would lose messages."""
        templates = {self._settings.topic_templates[operation] for operation in ROW_OPERATIONS}
        is_of_rows = any(topic_pattern(template, self._settings.scope.single).match(name) for template in templates)
        return dict(self._settings.topic_config) if is_of_rows else {}

    def _missing_position_topic(self) -> list[NewTopic]:
        name = self._settings.position_topic
        partitions = self._existing().get(name)
        if partitions is None:
            return [NewTopic(name, 1, self._settings.topic_replication_factor, config=POSITION_TOPIC_CONFIG)]
        check_position_topic(self._settings, len(partitions), self.config(name))
        return []

    def _create(self, topics: list[NewTopic], *, only_try: bool = False) -> None:
        if not topics:
            return
        futures = self._admin.create_topics(
            topics, operation_timeout=REQUEST_SECONDS, request_timeout=REQUEST_SECONDS, validate_only=only_try
        )
        if only_try:
            for name, future in futures.items():
                if self._finish_creation(name, future):
                    raise UnseenTopic(f"Kafka: topic {name} exists, and this principal may not see it.")
        else:
            self._finish_creations(futures)

    def _finish_creations(self, futures: Mapping[str, Future[Any]]) -> None:
        """Wait for all creations, and tell of those that succeeded, even if others failed; then raise the first error."""
        created, errors = [], []
        for name, future in futures.items():
            try:
                is_there = self._finish_creation(name, future)
            except WatcherError as error:
                errors.append(error)
                continue
            self._known.add(name)
            created += [] if is_there else [name]
        if created:
            self._on_created(created)
        if errors:
            raise errors[0]

    def _finish_creation(self, name: str, future: Future[Any]) -> bool:
        """Wait for the creation of a topic; returns True if the topic existed already."""
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
    refusal = f"Kafka refuses to create topic {name}: {failure.str()}"
    if failure.code() == KafkaError.TOPIC_EXCEPTION:
        return NameTaken(refusal, hint="To Kafka . and _ are the same in a topic's name. Give this topic another name.")
    error = as_watcher_error(failure, f"creating topic {name}")
    return ConfigurationError(refusal, hint=error.hint) if isinstance(error, ConfigurationError) else error
