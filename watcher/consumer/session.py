"""One run of a consumer: the loop that takes messages from Kafka to the handlers, and offsets back to Kafka."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka import Message as Record

from watcher.consumer.change import Change, read
from watcher.consumer.connection import common_properties, consumer_properties, reset_of, schema_reader
from watcher.consumer.delivered import Partition
from watcher.consumer.delivery.attempts import TURN_SECONDS, Attempts, Stopped
from watcher.consumer.delivery.dead_letters import DeadLetters
from watcher.consumer.delivery.dispatcher import ConsumerCounts, Dispatcher
from watcher.consumer.delivery.watchdog import Watchdog
from watcher.consumer.offsets.continuity import Continuity
from watcher.consumer.offsets.ends import Ends
from watcher.consumer.offsets.handled import Offsets
from watcher.consumer.offsets.starts import Starts
from watcher.consumer.options import ConsumerOptions
from watcher.consumer.ordering.sequence_order import SequenceOrder
from watcher.consumer.reading.feed import Feed
from watcher.consumer.registration.routes import Routes
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces

_log = logging.getLogger("watcher.consumer")

READ_SECONDS = 0.5
HELD_BACK_SECONDS = 0.005
"""Interval, in seconds, for looking for Kafka's answer while messages wait for it."""

REGISTRY_PATIENCE_SECONDS = 60.0
"""Longest time, in seconds, for which a schema registry may be away: less than the five minutes after which Kafka takes a member
that does not poll for dead.
"""


class Session:
    """The parts of a consumer that live as long as one `run`."""

    def __init__(
        self,
        brokers: str,
        group_id: str,
        topics: list[str],
        routes: Routes,
        options: ConsumerOptions,
        kafka: Mapping[str, Any],
        stopping: threading.Event,
    ) -> None:
        common = common_properties(brokers, kafka)
        dead_letter_topic = options.dead_letters_of(group_id)
        hang_after_s = None if options.hang_after_ms is None else options.hang_after_ms / 1000
        self._stopping = stopping
        schema_of = schema_reader(options.schema_registry or {}, patience_s=REGISTRY_PATIENCE_SECONDS, wait=self._pause)
        self._places = TopicPlaces(options.topic_template, schema_of=schema_of)
        self._commit_every_s = options.commit_every_ms / 1000
        self._next_commit = 0.0
        self._listened_s = 0.0
        self._unfinished = False
        self._watchdog = Watchdog(hang_after_s, exits=options.on_hang == "exit")
        self._offsets = Offsets()
        self._order = SequenceOrder(
            options.order_wait_ms / 1000,
            options.buffer_bytes,
            ordered=options.ordered,
            is_repeated=lambda change: self._dispatcher.is_repeated(change),
            began_again=self._note_new_count,
        )
        self._ends = Ends(common)
        attempts = Attempts(options, self._watchdog, self._idle, self._offsets.ours)
        self._dispatcher = Dispatcher(routes, options, self._offsets, DeadLetters(dead_letter_topic, common, group_id), attempts)
        self._continuity = Continuity(lambda partition: self._feed.first_offset(partition))
        self._untold: dict[Partition, str] = {}
        properties = consumer_properties(brokers, group_id, kafka, dead_letter_topic)
        self._feed = Feed(
            properties,
            topics,
            assigned=self._assigned,
            revoked=self._revoked,
            lost=self._lost,
            committed=self._offsets.committed,
            uncommitted=self._offsets.not_committed,
            starts=Starts(common, reset=reset_of(kafka), begins=self._continuity.begin, missing=self._miss),
        )

    @property
    def counts(self) -> ConsumerCounts:
        """ConsumerCounts of the messages, by what was done with them."""
        return self._dispatcher.counts

    def run(self) -> None:
        """Run until `stopping` is set. However it ends, it commits the offsets of the handled messages and leaves the group."""
        try:
            with self._watchdog:
                while not self._stopping.is_set():
                    self._take_in()
                    self._handle_for_a_turn()
                    self._commit_if_due()
        except Stopped:
            pass
        finally:
            self._feed.commit(self._offsets.to_commit(again=True), wait=True)
            self._feed.close()

    def _take_in(self) -> None:
        """Read from Kafka, and ask for the ends of partitions."""
        before = time.monotonic()
        records = self._feed.read(self._patience_s(before))
        self._listened_s += time.monotonic() - before
        round_number = self._order.begin_round(self._listened_s)
        for record in records:
            self._take_record(record)
        if answer := self._ends.answer():
            self._order.answer(*answer)
        self._ends.ask(self._order.unclear(), round_number)
        self._feed.hold_back(self._order.overfull(self._feed.held_back))

    def _take_record(self, record: Record) -> None:
        partition = (record.topic() or "", record.partition() or 0)
        if (error := record.error()) is not None:
            self._take_event(record, partition, error)
        elif self._offsets.is_assigned(partition):
            offset = record.offset() or 0
            self._look(partition, offset, offset + 1)
            self._offsets.taken(partition, offset)
            try:
                self._add(read(record, partition, self._places), len(record))
            except UnknownMessage as reason:
                self._order.passed(partition, offset + 1)
                self._dispatcher.take_foreign(record, partition, reason)

    def _take_event(self, record: Record, partition: Partition, error: KafkaError) -> None:
        if error.code() != KafkaError._PARTITION_EOF:
            self._feed.check(record, error)
        elif self._offsets.is_assigned(partition):
            end = record.offset() or 0
            self._look(partition, end, end)
            self._offsets.passed(partition, end)
            self._order.passed(partition, end)

    def _add(self, change: Change, size: int) -> None:
        if reason := self._untold.pop(change.source, None):
            self._dispatcher.missing_before(change, reason)
        self._order.add(change, size)

    def _look(self, partition: Partition, offset: int, following: int) -> None:
        """Check that an offset follows the one before it in its partition."""
        if reason := self._continuity.came(partition, offset, following):
            self._miss(partition, reason)

    def _note_new_count(self, change: Change) -> None:
        """Report a gap before the first message of a new count. A watcher without a position does not know what it has missed, so
        it writes no control message about it.
        """
        reason = f"the numbers of {change.watcher} begin again, with {change.sequence}: its position was lost or deleted"
        _log.warning("messages may be missing: %s", reason)
        self._offsets.hold(change.source)
        self._dispatcher.missing_before(change, reason)

    def _miss(self, partition: Partition, reason: str) -> None:
        """Note that records are missing. Handlers learn of it with the partition's next message, which shows the watcher that they
        belong to.
        """
        _log.warning("messages are missing. %s", reason)
        self._offsets.hold(partition)
        self._untold[partition] = reason

    def _handle_for_a_turn(self) -> None:
        end = time.monotonic() + TURN_SECONDS
        self._unfinished = False
        for change in self._order.ready():
            self._dispatcher.take(change)
            if self._stopping.is_set() or time.monotonic() >= end:
                self._unfinished = True
                break
        if not self._stopping.is_set():
            self._dispatcher.flush_due()

    def _patience_s(self, now: float) -> float:
        """Time to wait for records, in seconds: none while there is work."""
        if self._unfinished:
            return 0.0
        waits = [READ_SECONDS]
        if self._order.is_holding:
            waits.append(HELD_BACK_SECONDS)
        if (due := self._dispatcher.next_due_s()) is not None:
            waits.append(max(0.0, due - now))
        return min(waits)

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_commit:
            self._next_commit = now + self._commit_every_s
            self._feed.commit(self._offsets.to_commit(), wait=False)

    def _idle(self, seconds: float) -> None:
        """Wait until a handler's next attempt. Raises Stopped."""
        self._feed.idle(seconds, self._stopping.is_set)
        if self._stopping.is_set():
            raise Stopped

    def _pause(self, seconds: float) -> None:
        """Wait for the schema registry. Raises Stopped."""
        if self._stopping.wait(seconds):
            raise Stopped

    def _assigned(self, partitions: set[Partition]) -> None:
        self._offsets.assign(partitions)
        self._order.assign(partitions)

    def _revoked(self, partitions: set[Partition]) -> None:
        self._feed.commit(self._offsets.to_commit(again=True), wait=True)
        self._lost(partitions)

    def _lost(self, partitions: set[Partition]) -> None:
        """Forget partitions. Another member has them by now, and commits their offsets."""
        self._offsets.revoke(partitions)
        self._order.revoke(partitions)
        self._dispatcher.revoke(partitions)
        self._continuity.revoke(partitions)
        for partition in partitions:
            self._untold.pop(partition, None)
