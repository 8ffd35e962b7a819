"""The lease of a watcher that may run on several hosts: membership in one of Kafka's groups, kept by a thread of its own.

The group `<kafka_client_id>.lease` shares out the watcher's position topic, which has one partition: who is assigned it has the
lease. Nothing is consumed. Callbacks set a level and wake the main loop, which decides what to do (`lease_rules.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from watcher.config import Settings
from watcher.errors import Outage
from watcher.kafka.errors import explained, translated
from watcher.kafka.lease_rules import belongs_in_group
from watcher.kafka.properties import lease_config, lease_group
from watcher.kafka.topics import Topics

POLL_SECONDS = 0.25
"""Longest wait for news from the group, after which the thread looks whether it has to leave."""

AGAIN_SECONDS = 1.0
"""Wait before joining again."""

LEAVE_SECONDS = 2.0
"""Longest wait for the group to hear that this worker leaves. If it does not, the session ends by its time-out."""


class Lease:
    """One worker's membership. One thread keeps it, and the main loop reads it."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        waited_at: Callable[[], float] = lambda: float("-inf"),
    ) -> None:
        """`waited_at` tells when, by the clock, the main loop was last known to wait for an answer of MongoDB's. Then it does not
        hang."""
        self._settings = settings
        self._clock = clock
        self._waited_at = waited_at
        self._turned_at = clock()
        self._left_at: float | None = None
        self.on_news: Callable[[], None] = lambda: None
        """Called in the lease's thread when `turn`, `is_decided` or `has_trouble` may tell something else than before."""
        self._level = False
        self.is_decided = False
        """True while this worker is in the group, and the group has said whether it has the lease."""
        self._trouble: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        """Join the group, soon."""
        self._thread.start()

    def use(self, settings: Settings) -> None:
        """Use `settings` from the next connection on. They may differ from the earlier ones only in credentials."""
        self._settings = settings

    def turn(self) -> bool:
        """Return True if this worker has the lease. Without a call for HUNG_SECONDS, in which it does not wait either, it is given
        away. For the main loop alone."""
        self._turned_at = self._clock()
        return self._level

    def leave_to_another(self) -> None:
        """Leave the group, until another worker has the watcher, or AWAY_SECONDS have passed."""
        self._left_at = self._clock()
        self._level = False

    def another_has_it(self) -> None:
        """Note that another worker has the watcher."""
        self._left_at = None

    def check(self) -> None:
        """Raise the error for which this worker is not in the group now. Errors: those of `Topics.ensure_position_topic`;
        NotPermitted without the right to read the group."""
        if trouble := self._trouble:
            raise trouble

    @property
    def has_trouble(self) -> bool:
        """True if `check` would raise an error."""
        return self._trouble is not None

    def close(self) -> None:
        """Leave the group, so that another worker has the lease at once; returns after LEAVE_SECONDS at the latest."""
        self._ended.set()
        self._thread.join(LEAVE_SECONDS)

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                if self._belongs:
                    self._be_member()
            except Exception as error:  # noqa: BLE001 - also a bug: it is the main loop that raises it
                self._trouble = error
                self.on_news()
            self._ended.wait(AGAIN_SECONDS)

    @property
    def _belongs(self) -> bool:
        alive_at = max(self._turned_at, self._waited_at())
        return not self._ended.is_set() and belongs_in_group(alive_at, self._left_at, self._clock())

    def _be_member(self) -> None:
        """Be in the group as long as this worker belongs there. Without the topic nobody would be assigned it, so it is created."""
        settings = self._settings
        troubles = deque[KafkaError](maxlen=16)
        try:
            Topics(settings, troubles.append).ensure_position_topic()
        except Outage as error:
            raise explained(error, troubles) from error
        doing = f"membership in the group {lease_group(settings)}"
        with translated(doing), self._member(settings, troubles.append) as consumer:
            self._trouble = None
            # New credentials are for a new connection, once the old one has not lasted.
            while self._belongs and (settings is self._settings or self._level):
                record = consumer.poll(POLL_SECONDS)
                if self._level:
                    consumer.pause(consumer.assignment())
                elif record and (failure := record.error()):
                    raise KafkaException(failure)

    @contextmanager
    def _member(self, settings: Settings, on_error: Callable[[KafkaError], None]) -> Iterator[Consumer]:
        consumer = Consumer(lease_config(settings, on_error))
        try:
            consumer.subscribe([settings.position_topic], on_assign=self._gained, on_revoke=self._lost, on_lost=self._lost)
            yield consumer
        finally:
            self._level = self.is_decided = False  # first: leaving takes a moment
            self.on_news()
            # `close` alone does not tell the group, if this member has been assigned nothing (librdkafka 2.16, cooperative-sticky).
            consumer.unsubscribe()
            consumer.poll(POLL_SECONDS)
            consumer.close()

    def _gained(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Note an assignment. It is empty after a rebalance that gives this worker nothing new."""
        self.is_decided = True
        if partitions:
            self._level = True
        self.on_news()

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if partitions:
            self._level = False
            self.on_news()
