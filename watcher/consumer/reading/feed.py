"""Reads records from Kafka as a member of a group."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from watcher.consumer.connection import client_log, is_incremental
from watcher.consumer.delivered import Partition
from watcher.consumer.kafka_errors import BAD_SETTING, FATAL, NOT_AUTHORISED, error_for, is_refused_login, subscription_error
from watcher.consumer.offsets.starts import Starts
from watcher.librdkafka import was_cut_short, was_taken_along

RECORDS_AT_ONCE = 500
IDLE_POLL_SECONDS = 0.2
NO_SUCH_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
HOPELESS = NOT_AUTHORISED | BAD_SETTING | FATAL | {KafkaError._AUTO_OFFSET_RESET}
PROPERTIES = "the argument kafka"

NOT_ACCEPTED = "invalid_token"
"""A broker's word for a token that it does not accept (RFC 6750), for example because it has ended."""

TOO_SOON = "not valid in current SASL state"
"""A broker's words for a login that comes within a second of the last one on the same connection (KIP-368), as librdkafka's do at
the end of a token's life. A port without SASL says the same at the first login."""

NO_TOKEN_SECONDS = 60.0
"""Time for which a token counts as missing after the server of tokens has not answered. It is asked again every 10 s."""

Changed = Callable[[set[Partition]], None]

_log = logging.getLogger("watcher.consumer")


class Feed:
    """Reads records and the ends of partitions.

    The callbacks `assigned`, `revoked` and `lost` are called from within its methods. `committed` and `uncommitted` report the
    outcome of each commit.

    librdkafka rides out outages. Raises NotPermitted, ConfigurationError, or ReadError after a fatal error; and KafkaException or
    a bare KafkaError, which `DatabaseChangeConsumer.run` translates.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topics: list[str],
        *,
        assigned: Changed,
        revoked: Changed,
        lost: Changed,
        committed: Callable[[Mapping[Partition, int]], None],
        uncommitted: Changed,
        starts: Starts | None = None,
    ) -> None:
        self._brokers = str(properties["bootstrap.servers"])
        self._assigned, self._revoked, self._lost = assigned, revoked, lost
        self._committed, self._uncommitted = committed, uncommitted
        self._starts = starts
        self._is_incremental = is_incremental(properties)
        self._commits_fail = False
        self._paused: set[Partition] = set()
        self._kept: list[Record] = []
        self._is_reassigned = False
        self._hopeless: KafkaError | None = None
        self._is_away = False
        self._no_token_at = -NO_TOKEN_SECONDS
        self._missing: set[str] = set()
        self._read: set[str] = set()
        callbacks = {"error_cb": self._note, "on_commit": self._on_commit}
        self._consumer = Consumer({**properties, **callbacks}, logger=client_log)
        try:
            self._consumer.subscribe(topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        except KafkaException as error:
            raise subscription_error(error.args[0], topics, self._brokers, PROPERTIES) from error

    def read(self, timeout_s: float) -> list[Record]:
        """Return the records that have arrived, or else wait up to `timeout_s` seconds for the first.

        They include the ends of partitions, as records with the error _PARTITION_EOF.
        """
        records, self._kept = self._kept, []
        if not records and (first := self._consumer.poll(timeout_s)) is not None:  # a record without a value is false
            records = [first]
        if records or timeout_s == 0:
            records += self._consumer.consume(RECORDS_AT_ONCE, 0)
        if self._hopeless:
            raise error_for(self._hopeless, self._brokers, PROPERTIES)
        if records and self._is_away:
            self._is_away = False
            _log.info("Kafka answers again")
        return records

    def check(self, record: Record, error: KafkaError) -> None:
        """Log an error that came instead of a record. Raises if going on makes no sense."""
        if error.code() in NO_SUCH_TOPIC:
            if record.topic() not in self._missing:
                self._missing.add(record.topic() or "")
                _log.warning(
                    "the topic %s does not exist%s", record.topic(), " any more" if record.topic() in self._read else " yet"
                )
        elif error.fatal() or error.code() in HOPELESS or self._is_refused(error):
            raise error_for(error, self._brokers, PROPERTIES)
        else:
            _log.warning("Kafka: %s", error.str())

    def idle(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Read nothing for `seconds`, but stay a member of the group: poll at least once. Return early when `is_over`."""
        deadline, left = time.monotonic() + seconds, seconds
        self._is_reassigned = True
        while left >= 0 and not is_over():
            if self._is_reassigned:  # partitions that are newly assigned are not paused, even if they were before
                self._is_reassigned = False
                self._consumer.pause(self._consumer.assignment())
            record = self._consumer.poll(min(left, IDLE_POLL_SECONDS))
            if record is not None:  # at most one, from a partition that was assigned during this poll
                self._kept.append(record)
            left = deadline - time.monotonic()
        self._consumer.resume([each for each in self._consumer.assignment() if (each.topic, each.partition) not in self._paused])

    @property
    def held_back(self) -> set[Partition]:
        """The partitions that are held back."""
        return self._paused

    def first_offset(self, partition: Partition) -> int:
        """The lowest offset that Kafka still has, by its last answer; -1001 without one."""
        return self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)[0]

    def hold_back(self, partitions: set[Partition]) -> None:
        """Hold back these partitions, and resume all others."""
        if partitions == self._paused:
            return
        self._consumer.pause([TopicPartition(*each) for each in partitions - self._paused])
        self._consumer.resume([TopicPartition(*each) for each in self._paused - partitions])
        self._paused = partitions

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None:
        """Commit offsets for the group. A failure is logged. Without `wait`, the outcome is reported later."""
        if not offsets:
            return
        positions = [TopicPartition(*each, offset, self._metadata_of(each[0])) for each, offset in offsets.items()]
        try:
            if wait:
                self._on_commit(None, self._consumer.commit(offsets=positions, asynchronous=False))
            else:
                self._consumer.commit(offsets=positions, asynchronous=True)
        except KafkaException as error:
            self._on_commit(error.args[0], positions)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _note(self, error: KafkaError) -> None:
        """Note an error of the connection that librdkafka reports."""
        if error.code() in HOPELESS or self._is_refused(error):
            self._hopeless = error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN and not self._is_away:
            self._is_away = True
            _log.warning("Kafka does not answer; waiting for it")
        elif was_cut_short(error):
            if not self._lacks_token():
                _log.warning("no login to Kafka for the moment: %s", error.str())
            self._no_token_at = time.monotonic()

    def _lacks_token(self) -> bool:
        return time.monotonic() - self._no_token_at < NO_TOKEN_SECONDS

    def _is_refused(self, error: KafkaError) -> bool:
        """Return True if the login is refused for good. That of an old token is not while there is no new one: librdkafka shows the
        last one even after its end."""
        if self._read and (TOO_SOON in error.str() or was_taken_along(error)):
            return False
        has_old_token = self._lacks_token() and any(words in error.str() for words in (NOT_ACCEPTED, TOO_SOON))
        return is_refused_login(error) and not has_old_token

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Take the outcome of a commit, as a whole and for each partition."""
        failed = [each for each in partitions if error or each.error]
        self._note_commit(error or next((each.error for each in failed), None))
        self._uncommitted(_keys(failed))
        self._committed({(each.topic, each.partition): each.offset for each in partitions if not (error or each.error)})

    def _note_commit(self, error: KafkaError | None) -> None:
        """Log when commits begin to fail or succeed again, but not each time."""
        if error and not self._commits_fail:
            _log.warning("offsets were not committed, messages may come again: %s", error.str())
        elif self._commits_fail and not error:
            _log.info("offsets are committed again")
        self._commits_fail = error is not None

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._is_reassigned = True
        self._assigned(_keys(partitions))
        self._missing -= {each.topic for each in partitions}
        self._read |= {each.topic for each in partitions}
        if self._starts and partitions and (elsewhere := self._starts.find(consumer, partitions)):
            (consumer.incremental_assign if self._is_incremental else consumer.assign)(elsewhere)

    def _metadata_of(self, topic: str) -> str:
        """The metadata of a topic's offsets, which holds the topic's id."""
        return self._starts.metadata_of(topic) if self._starts else ""

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._revoked(_keys(partitions))
        self._forget(_keys(partitions))

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._lost(_keys(partitions))
        self._forget(_keys(partitions))

    def _forget(self, gone: set[Partition]) -> None:
        self._paused -= gone
        self._kept = [record for record in self._kept if (record.topic(), record.partition()) not in gone]


def _keys(partitions: list[TopicPartition]) -> set[Partition]:
    return {(each.topic, each.partition) for each in partitions}
