"""DatabaseChangeConsumer: calls handlers with the changes of collections."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from watcher.consumer.change import Change, Gap
from watcher.consumer.connection import check_properties
from watcher.consumer.delivery.dispatcher import ConsumerCounts
from watcher.consumer.environment import read_environment
from watcher.consumer.kafka_errors import error_for, translated
from watcher.consumer.names import check_dead_letter_topic, check_topics
from watcher.consumer.options import ConsumerOptions
from watcher.consumer.reading.feed import PROPERTIES
from watcher.consumer.registration.handlers import Result, check_handler, checked
from watcher.consumer.registration.operations import ANY, check_selection
from watcher.consumer.registration.routes import BatchHandler, Handler, Route, Routes
from watcher.consumer.session import Session
from watcher.consumer.snapshots import SnapshotAborted, SnapshotCompleted, SnapshotStarted
from watcher.consumer.stop_signals import stop_on_signals
from watcher.operations import (
    ROW_OPERATIONS,
    SNAPSHOT_ABORTED,
    SNAPSHOT_COLLECTION_COMPLETED,
    SNAPSHOT_COMPLETED,
    SNAPSHOT_STARTED,
)

H = TypeVar("H", bound=Handler)
B = TypeVar("B", bound=BatchHandler)
G = TypeVar("G", bound=Callable[[Gap], Result])
Started = TypeVar("Started", bound=Callable[[SnapshotStarted], Result])
Completed = TypeVar("Completed", bound=Callable[[SnapshotCompleted], Result])
Aborted = TypeVar("Aborted", bound=Callable[[SnapshotAborted], Result])
T = TypeVar("T")

DEFAULT_OPTIONS = ConsumerOptions()
BATCH_SIZE = 500
BATCH_WAIT_MS = 100


class DatabaseChangeConsumer:
    """Reads the messages of watchers and calls a handler with each one, in order, and again if the handler fails.

    `topics` are names, or regular expressions that begin with ^. `kafka` holds further properties of librdkafka, such as those for
    logging in. A message's offset is committed after its handler has returned, so a handler sees every message at least once.
    """

    def __init__(
        self,
        brokers: str,
        group_id: str,
        topics: Iterable[str],
        *,
        options: ConsumerOptions = DEFAULT_OPTIONS,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        self._brokers = brokers
        self._group_id = group_id
        self._topics = [topics] if isinstance(topics, str) else list(topics)
        self._options = options
        self._kafka = dict(kafka or {})
        self._routes = Routes()
        self._stopping = threading.Event()
        self.counts = ConsumerCounts()
        if not (brokers and group_id and self._topics):
            raise ValueError("brokers, group_id and topics must not be empty")
        check_topics(self._topics)
        if (dead := options.dead_letters_of(group_id)) in self._topics:
            raise ValueError(f"{dead} is where this consumer's own dead letters go: another group_id reads them")
        if options.has_dead_letters:
            check_dead_letter_topic(dead, self._topics)
        check_properties(self._kafka, self._topics)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ, *, options: ConsumerOptions = DEFAULT_OPTIONS) -> Self:
        """Make a consumer from environment variables. Raises ConfigurationError.

        The variables are KAFKA_BROKERS, KAFKA_GROUP_ID, KAFKA_TOPIC_INSERT, _UPDATE, _DELETE and _CONTROL, KAFKA_DB_CHANGES_TOPIC,
        and KAFKA with librdkafka's properties as JSON.
        """
        brokers, group_id, topics, kafka = read_environment(environment)
        return cls(brokers, group_id, topics, options=options, kafka=kafka)

    def on(self, collection: str, *operations: str, database: str = ANY) -> Callable[[H], H]:
        """Register the decorated function for the changes of a collection. `collection` is a name, a glob, or `*`, which also
        matches messages without a collection.

        Without `operations` the function takes insert, update, replace and delete; `*` stands for any operation. A message goes to
        one handler only: a name takes precedence over a glob, and a glob over `*`.

        Raises ValueError if there is a handler already, and for an operation that no watcher has. Raises TypeError for anything but
        a function, and for an `async def`.
        """
        check_selection(collection, operations, database)

        def register(handler: H) -> H:
            check_handler(handler)
            self._routes.add(Route(_one(checked(handler)), collection, operations or ROW_OPERATIONS, database))
            return handler

        return register

    def on_batch(
        self, collection: str, *operations: str, database: str = ANY, size: int = BATCH_SIZE, wait_ms: int = BATCH_WAIT_MS
    ) -> Callable[[B], B]:
        """Like `on`, for a function that takes a list of changes. It gets at most `size` of them, and the first has waited for
        about `wait_ms`.

        When the attempts for a batch are used up, the function is called with each change alone, so that only the bad message goes
        to the dead-letter topic.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        check_selection(collection, operations, database)

        def register(handler: B) -> B:
            check_handler(handler)
            self._routes.add(Route(checked(handler), collection, operations or ROW_OPERATIONS, database, size, wait_ms / 1000))
            return handler

        return register

    def on_gap(self, handler: G) -> G:
        """Register the decorated function for gaps, which tell of missing changes. The control topic must be among `topics`."""
        self._on_control(handler, Gap.of, "gap")
        return handler

    def on_snapshot_started(self, handler: Started) -> Started:
        """Register the decorated function for beginnings of snapshots. The control topic must be among `topics`."""
        self._on_control(handler, SnapshotStarted.of, SNAPSHOT_STARTED)
        return handler

    def on_snapshot_completed(self, handler: Completed) -> Completed:
        """Register the decorated function for the ends of snapshots: it is called for each collection, and once more when
        everything is copied. The control topic must be among `topics`.
        """
        self._on_control(handler, SnapshotCompleted.of, SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED)
        return handler

    def on_snapshot_aborted(self, handler: Aborted) -> Aborted:
        """Register the decorated function for snapshots that end early. The control topic must be among `topics`."""
        self._on_control(handler, SnapshotAborted.of, SNAPSHOT_ABORTED)
        return handler

    def on_other(self, handler: H) -> H:
        """Register the decorated function for all messages that no other handler takes: those of other collections, and operations
        that were added after this release.
        """
        check_handler(handler)
        self._routes.set_other(Route(_one(checked(handler))))
        return handler

    def _on_control(self, handler: Callable[[T], object], read: Callable[[Change], T], *operations: str) -> None:
        """Register a function for what `read` makes of control messages. It comes before a handler for their collection."""
        check_handler(handler)
        told = checked(handler)
        self._routes.add(Route(_one(lambda change: told(read(change))), operations=operations, is_of_control=True))

    def run(self) -> None:
        """Read and handle messages until `stop`, SIGTERM or SIGINT. The message in hand is finished first.

        Raises NotPermitted, ConfigurationError, ReadError, HandlerFailed, ForeignMessage or DeadLetterFailed, each with a hint. The
        offsets of everything handled by then are committed. Signals work in the main thread only.
        """
        ours = partial(error_for, brokers=self._brokers, properties=PROPERTIES)
        with stop_on_signals(self.stop), translated(ours):
            session = Session(self._brokers, self._group_id, self._topics, self._routes, self._options, self._kafka, self._stopping)
            self.counts = session.counts
            session.run()

    def stop(self) -> None:
        """Make `run` return. May be called from any thread, or from a handler."""
        self._stopping.set()


def _one(handler: Callable[[Change], object]) -> Callable[[list[Change]], object]:
    """Wrap a handler of single changes, so that it is called like a handler of batches."""
    return lambda changes: handler(changes[0])
