"""Finds the start of reading in assigned partitions, and whether they are still the ones that were read before."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, DescribeClusterResult, TopicDescription

from watcher.consumer.connection import client_log
from watcher.consumer.delivered import Partition
from watcher.consumer.errors import ReadError
from watcher.consumer.kafka_errors import NO_OFFSET_HINT
from watcher.consumer.offsets.reset import Reset

ANSWER_SECONDS = 5.0
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Topic id reported by a broker that has no topic ids (KIP-516): sixteen zero bytes in base 64."""

_METADATA = re.compile(r"topic-id:(?P<cluster>.*)/(?P<topic_id>[A-Za-z0-9+/_-]{22})", re.DOTALL)

_log = logging.getLogger("watcher.consumer")


class TopicId(NamedTuple):
    """The id of a topic, with that of its cluster: MirrorMaker copies offsets with their metadata to a cluster with other ids."""

    cluster: str
    topic_id: str

    @property
    def metadata(self) -> str:
        """The form in which the id is stored with an offset. It has about 55 bytes; Kafka takes 4,096."""
        return f"topic-id:{self.cluster}/{self.topic_id}"

    @classmethod
    def of(cls, metadata: str | None) -> Self | None:
        """Return the id in the metadata of an offset. None if we did not write it: other clients store what they like."""
        found = _METADATA.fullmatch(metadata or "")
        return cls(**found.groupdict()) if found else None


class Starts:
    """Finds the starts at each assignment.

    The id of a topic is stored in the metadata of the group's offsets. A topic may be deleted and created again under the same
    name; offsets that were committed in the old one must not be used in the new one. Metadata of others, and of ours from another
    cluster, says nothing about that.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        *,
        reset: Reset,
        begins: Callable[[Partition, int], None],
        missing: Callable[[Partition, str], None],
    ) -> None:
        """`begins` is called with the offset at which reading a partition goes on. `missing` is called if records are missing."""
        self._properties = dict(properties)
        self._reset = reset
        self._begins, self._missing = begins, missing
        self._ids: dict[str, TopicId] = {}

    def metadata_of(self, topic: str) -> str:
        """The metadata for offsets in a topic whose partitions were assigned; empty if the broker has no ids of topics."""
        id_ = self._ids.get(topic)
        return id_.metadata if id_ else ""

    def find(self, consumer: Consumer, assigned: list[TopicPartition]) -> list[TopicPartition] | None:
        """Report where reading goes on. If a topic was created again, return all partitions, with new offsets for those of that
        topic; else None.

        Raises ReadError if a topic was created again and auto.offset.reset is "error".
        """
        try:
            committed = consumer.committed(assigned, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            _log.warning("cannot tell whether messages are missing: %s", error.args[0].str())
            return None
        ids = self._ask_for_ids({each.topic for each in assigned})
        again = {_key(each) for each in committed if self._is_another(each, ids.get(each.topic))}
        self._ids |= ids
        for each in committed:
            self._tell(each, created_again=_key(each) in again)
        return [self._start(each, created_again=_key(each) in again) for each in assigned] if again else None

    def _is_another(self, committed: TopicPartition, now: TopicId | None) -> bool:
        """True if the topic, whose id is `now`, is not the one that was read before, by this group or else by this process."""
        if now is None:
            return False
        stored = TopicId.of(committed.metadata)
        known = stored if stored and stored.cluster == now.cluster else self._ids.get(committed.topic, now)
        return known != now

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

    def _ask_for_ids(self, topics: set[str]) -> dict[str, TopicId]:
        """Ask Kafka for the ids of topics; those that fail are left out. The client is closed again, as assignments are rare."""
        if not topics:
            return {}
        admin = AdminClient(self._properties, logger=client_log)
        asked = admin.describe_cluster(request_timeout=ANSWER_SECONDS)
        answers = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=ANSWER_SECONDS)
        cluster = _cluster(asked)
        if cluster is None:
            return {}
        return {topic: TopicId(cluster, id_) for topic, answer in answers.items() if (id_ := _id(answer)) is not None}


def _cluster(answer: Future[DescribeClusterResult]) -> str | None:
    """The id of the cluster, empty if it has none; None if the answer is an error."""
    try:
        return str(answer.result(ANSWER_SECONDS).cluster_id or "")
    except (KafkaException, TimeoutError):
        return None


def _id(answer: Future[TopicDescription]) -> str | None:
    try:
        id_ = str(answer.result(ANSWER_SECONDS).topic_id)
    except (KafkaException, TimeoutError):
        return None
    return None if id_ == NO_ID else id_


def _key(partition: TopicPartition) -> Partition:
    return partition.topic, partition.partition
