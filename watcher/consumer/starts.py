"""Where reading goes on in partitions that were assigned, and whether they are still those in which it stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, TopicDescription

from watcher.consumer.connection import client_log
from watcher.consumer.delivered import Partition
from watcher.consumer.errors import ReadError
from watcher.consumer.kafka_errors import NO_OFFSET_HINT
from watcher.consumer.reset import Reset

ANSWER_SECONDS = 5.0
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""What a broker says that has no ids of topics (KIP-516): sixteen zeros in base 64."""

_log = logging.getLogger("watcher.consumer")


class Starts:
    """Finds them at each assignment. A topic's id goes into the group's offsets as their metadata: offsets that were committed
    in a topic of the same name, which was deleted since, must not be gone on from.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        *,
        reset: Reset,
        begins: Callable[[Partition, int], None],
        missing: Callable[[Partition, str], None],
    ) -> None:
        """`begins` and `missing` hear what was found."""
        self._properties = dict(properties)
        self._reset = reset
        self._begins, self._missing = begins, missing
        self._ids: dict[str, str] = {}

    def id_of(self, topic: str) -> str:
        """The id of a topic of which partitions were assigned; empty where the broker has none."""
        return self._ids.get(topic, "")

    def find(self, consumer: Consumer, assigned: list[TopicPartition]) -> list[TopicPartition] | None:
        """Tell where reading goes on. The same partitions with offsets if that is not where the group has stopped, else None.

        Raises ReadError where a topic was created again and auto.offset.reset is "error".
        """
        try:
            committed = consumer.committed(assigned, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            _log.warning("whether messages are missing cannot be told: %s", error.args[0].str())
            return None
        before = dict(self._ids)
        self._ids |= self._ask_for_ids({each.topic for each in assigned})
        again = {_key(each) for each in committed if self._is_another(each, before)}
        for each in committed:
            self._tell(each, created_again=_key(each) in again)
        return [self._start(each, created_again=_key(each) in again) for each in assigned] if again else None

    def _is_another(self, committed: TopicPartition, before: Mapping[str, str]) -> bool:
        """Whether the topic is not the one that was read: by this group, else by this process."""
        known = committed.metadata or before.get(committed.topic)
        return known is not None and self._ids.get(committed.topic, known) != known

    def _tell(self, committed: TopicPartition, *, created_again: bool) -> None:
        where = f"{committed.topic}, partition {committed.partition}"
        if created_again:
            reason = f"{where}: the topic was deleted and created again; what had not been read is gone"
            if self._reset is Reset.ERROR:
                raise ReadError(f"{reason}.", hint=NO_OFFSET_HINT)
            self._missing(_key(committed), reason)
        elif committed.offset >= 0:
            self._begins(_key(committed), committed.offset)
        elif self._reset is Reset.LATEST:
            _log.warning("%s: the group has no offset; what is there is passed over, as auto.offset.reset says", where)
        elif self._reset is Reset.EARLIEST:
            _log.info("%s: the group has no offset; reading begins with the oldest message that Kafka has", where)

    def _start(self, assigned: TopicPartition, *, created_again: bool) -> TopicPartition:
        if not created_again:
            return assigned
        offset = OFFSET_END if self._reset is Reset.LATEST else OFFSET_BEGINNING
        return TopicPartition(assigned.topic, assigned.partition, offset)

    def _ask_for_ids(self, topics: set[str]) -> dict[str, str]:
        """Those that can be had. The client is closed again: assignments are rare."""
        admin = AdminClient(self._properties, logger=client_log)
        answers = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=ANSWER_SECONDS) if topics else {}
        return {topic: id_ for topic, answer in answers.items() if (id_ := _id(answer)) is not None}


def _id(answer: Future[TopicDescription]) -> str | None:
    try:
        id_ = str(answer.result(ANSWER_SECONDS).topic_id)
    except (KafkaException, TimeoutError):
        return None
    return None if id_ == NO_ID else id_


def _key(partition: TopicPartition) -> Partition:
    return partition.topic, partition.partition
