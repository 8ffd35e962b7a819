"""Asks Kafka for the ends of partitions, without waiting for the answer."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from watcher.consumer.connection import client_log
from watcher.consumer.delivered import Partition

ANSWER_SECONDS = 5.0
PAUSE_SECONDS = 0.005
"""Least time between two requests, in seconds. One answer serves all messages that have arrived by then."""


class Ends:
    """Asks for the ends of partitions, with one request at a time. The ends include uncommitted records; a consumer's watermarks do
    not.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = dict(properties)
        self._admin: AdminClient | None = None
        self._round = 0
        self._answers: dict[TopicPartition, Future[ListOffsetsResultInfo]] = {}
        self._asked_at = 0.0

    def ask(self, partitions: Collection[Partition], round_number: int) -> None:
        """Ask for the ends of these partitions, unless an answer is outstanding or the last request was only a moment ago."""
        if not partitions or self._answers or time.monotonic() < self._asked_at + PAUSE_SECONDS:
            return
        if self._admin is None:  # made only when needed: a consumer that needs no order needs no second connection
            self._admin = AdminClient(self._properties, logger=client_log)
        request = {TopicPartition(*partition): OffsetSpec.latest() for partition in partitions}
        self._round, self._asked_at = round_number, time.monotonic()
        self._answers = self._admin.list_offsets(
            request, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ANSWER_SECONDS
        )

    def answer(self) -> tuple[int, dict[Partition, int]] | None:
        """The round of the request, and the ends. None while there is no answer. A partition whose request failed is left out."""
        if not self._answers or not all(answer.done() for answer in self._answers.values()):
            return None
        answers, self._answers = self._answers, {}
        ends = {(asked.topic, asked.partition): end for asked, answer in answers.items() if (end := _end(answer)) is not None}
        return self._round, ends


def _end(answer: Future[ListOffsetsResultInfo]) -> int | None:
    try:
        return int(answer.result().offset)
    except KafkaException:
        return None
