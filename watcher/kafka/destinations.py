"""Topics that a sink writes to: which one a change goes to, whether it is there, and how much it takes.

Asking Kafka takes milliseconds, so the answers are remembered until the sink opens again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from functools import lru_cache

from watcher.config import Settings
from watcher.config.topics.name import topic_name
from watcher.errors import NameTaken, Outage
from watcher.kafka.properties import ErrorCallback
from watcher.kafka.topics import Topics

RECORD_OVERHEAD = 512
"""Bytes that a record batch adds to key and value, rounded up generously."""

LOOK_SECONDS = 15.0
"""Interval between two looks at the settings of the position topic. Its two questions to Kafka take some milliseconds."""

DEFAULT_MESSAGE_MAX_BYTES = 1_000_000
"""librdkafka's default for message.max.bytes, and for batch.size too."""


logger = logging.getLogger("watcher")


class Destinations:
    """The topics of one watcher's sink. `open` comes before all else, and may be called again."""

    def __init__(self, settings: Settings, on_error: ErrorCallback) -> None:
        self._settings = settings
        self._on_error = on_error
        self._look_due = 0.0
        self._seen: set[str] = set()
        """The topics that were there at some time since the start."""
        self.batch_bytes = DEFAULT_MESSAGE_MAX_BYTES
        """Bytes that each topic written to so far takes at once."""
        self.topic_of = lru_cache(maxsize=4096)(self._topic_of)
        self._refusal = lru_cache(maxsize=4096)(self._asked_refusal)
        self._limit = lru_cache(maxsize=4096)(self._asked_limit)

    def open(self, settings: Settings) -> None:
        """Forget all answers, and create the position topic and the others with known names, where missing. `settings` may differ
        from the earlier ones only in credentials. Errors: as `Topics.ensure_position_topic` and `Topics.ensure_configured`."""
        self.topic_of.cache_clear()
        self._refusal.cache_clear()
        self._limit.cache_clear()
        self.topics = Topics(settings, self._on_error, self._created)
        self.topics.ensure_position_topic()
        self._look_due = time.monotonic() + LOOK_SECONDS
        fixed = [topic for topic in settings.topic_templates.values() if "{" not in topic]
        self.topics.ensure_configured(fixed)
        self._seen.update((settings.position_topic, *fixed))
        self._shrink_batches(fixed)

    def check_position_topic(self) -> None:
        """Check the position topic now and then, because somebody may change it while the worker runs. Errors: Outage;
        PositionUnsafe."""
        if time.monotonic() >= self._look_due:
            self.topics.check_position_topic()
            self._look_due = time.monotonic() + LOOK_SECONDS

    def prepare(self, topics: Collection[str]) -> None:
        """Make sure that a transaction for these topics can be written. Errors: as `Topics.ensure`."""
        self.topics.ensure(topics)
        self._seen.update(topics)
        if self._shrink_batches(topics):
            raise Outage(
                f"Kafka: one of {', '.join(sorted(topics))} takes only {self.batch_bytes} bytes at once.",
                hint="Nothing to do: the worker opens again, and sends no more at once than that.",
                component="kafka",
                code="batches_too_large",
            )

    def limit_of(self, topic: str) -> int:
        """Return the most bytes that key and value of a message for `topic` may have.

        Ask before the write: librdkafka refuses some large messages and the broker others, both too late for the transaction.

        Errors: as `Topics.ensure`.
        """
        return self._limit(topic) - RECORD_OVERHEAD

    def ensured(self, topic: str) -> str:
        """Create a topic that a transform names, if it is missing; returns its name. Errors: as `Topics.ensure_configured`."""
        refusal, hint = self._refusal(topic)
        if refusal:
            raise NameTaken(refusal, hint=hint)
        return topic

    def _created(self, names: Sequence[str]) -> None:
        """Log which topics are created. One that was there before was deleted, and its messages with it."""
        if new := [name for name in names if name not in self._seen]:
            logger.info("topics created: %s", ", ".join(new))
        for name in filter(self._seen.__contains__, names):
            logger.warning("topic %s was deleted, and is created again; the messages that were in it are gone", name)

    def _topic_of(self, template: str, operation: str, database: str, collection: str) -> str:
        """Return the topic for a change: the one of `topic_name`, unless it collides with another. A topic that is named after the
        collection, or after one of several databases, is created if it is missing.

        Call `topic_of` instead, which remembers the answer. Errors: as `Topics.ensure_one_of`.
        """
        name = topic_name(template, operation, database, collection)
        if "{collection}" not in template and not ("{database}" in template and self._settings.scope.is_shared):
            return name
        return self.topics.ensure_one_of(name, topic_name(template, operation, database, collection, apart=True))

    def _asked_refusal(self, topic: str) -> tuple[str, str]:
        """Create a topic if it is missing. Returns why no message may go there and the hint to that, both empty if one may."""
        try:
            self.topics.ensure_configured([topic])
        except NameTaken as error:
            return str(error), error.hint
        return "", ""

    def _asked_limit(self, topic: str) -> int:
        self.topics.ensure([topic])
        ours = int(self._settings.kafka.get("message.max.bytes", DEFAULT_MESSAGE_MAX_BYTES))
        return min(ours, self.topics.max_message_bytes(topic) or ours)

    def _shrink_batches(self, topics: Collection[str]) -> bool:
        """Shrink the batches to the limits of `topics`, because a broker refuses a larger batch as a whole. Returns True if one of
        the topics takes less at once than before."""
        before = self.batch_bytes
        self.batch_bytes = min([before, *(self._limit(topic) for topic in topics)])
        return self.batch_bytes < before
