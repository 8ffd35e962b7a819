"""The consumer's own dead-letter topic. Key, value and headers stay as they were; further headers tell what happened."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, NewTopic

from watcher.consumer.connection import client_log
from watcher.consumer.delivered import DEAD_LETTER_HEADERS, TIME_HEADER, headers_of, origin_of, time_of
from watcher.consumer.errors import DeadLetterFailed

TRACEBACK = "traceback"
TOLD_HEADERS = DEAD_LETTER_HEADERS | {TIME_HEADER, TRACEBACK}

TRACEBACK_CHARACTERS = 4000
"""Limit for a traceback, in characters. Its end is kept, because the cause stands there."""

REASON_CHARACTERS = 1000
"""Limit for a reason, in characters. Its beginning is kept. Kafka counts headers as part of a message's size."""

RIGHTS_HINT = 'The principal needs Write and Describe on it, and Create unless it exists. Or set on_error="stop".'
HINTS = {
    KafkaError.TOPIC_EXCEPTION: "Kafka refuses the name: perhaps another topic differs from it in '.' and '_' alone. "
    "Set the option dead_letter_topic.",
    KafkaError.MSG_SIZE_TOO_LARGE: "Its max.message.bytes has no room for the key and the headers.",
    KafkaError._MSG_TIMED_OUT: "Kafka has not taken it in time: is it reachable, and has the topic enough replicas in sync?",
    **dict.fromkeys((KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED), RIGHTS_HINT),
}
"""Hints for the user, by Kafka's error code."""

OTHER_HINT = f"Does the topic exist? {RIGHTS_HINT}"

DELIVERY_SECONDS = 30.0
CREATION_SECONDS = 10.0

_log = logging.getLogger("watcher.consumer")


class DeadLetters:
    """Writes records to one topic, and creates it if it is missing. Raises DeadLetterFailed."""

    def __init__(self, topic: str, properties: Mapping[str, Any], group_id: str) -> None:
        self.topic = topic
        self._properties = dict(properties)
        self._group_id = group_id
        self._producer: Producer | None = None

    def send(self, record: Record, reason: str, error: BaseException | None = None) -> None:
        """Write a record, and wait until Kafka has it. If the value is too large together with the headers, it is left out, and so
        are the record's own headers: with them it would look like a change that leaves no document."""
        told: dict[str, Any] = {"reason": reason[:REASON_CHARACTERS], **origin_of(record)._asdict(), "group": self._group_id}
        told[TIME_HEADER] = str(time_of(record))
        if error is not None:
            told[TRACEBACK] = "".join(traceback.format_exception(error))[-TRACEBACK_CHARACTERS:]
        own = {name: text for name, text in headers_of(record).items() if name not in TOLD_HEADERS}
        try:
            self._deliver(record, record.value(), own | told)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise self._failed(failure.args[0]) from failure
            self._deliver_without_value(record, {**told, "valueLeftOut": "it was too large"})

    def _deliver_without_value(self, record: Record, headers: dict[str, Any]) -> None:
        try:
            self._deliver(record, None, headers)
        except KafkaException as failure:
            raise self._failed(failure.args[0]) from failure

    def _deliver(self, record: Record, value: bytes | None, headers: dict[str, Any]) -> None:
        """Write one message and wait for its delivery. Raises KafkaException."""
        producer = self._producer = self._producer or self._open()
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Record) -> None:
            if error is not None:
                failures.append(error)

        producer.produce(self.topic, value, record.key(), headers=list(headers.items()), on_delivery=delivered)
        if producer.flush(DELIVERY_SECONDS):
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))
        if failures:
            raise KafkaException(failures[0])

    def _open(self) -> Producer:
        self._create_topic()
        return Producer(
            {
                **self._properties,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(DELIVERY_SECONDS * 900),  # so that a delivery report tells of it before flush() gives up
            },
            logger=client_log,
        )

    def _create_topic(self) -> None:
        """Create the topic. Most errors are only logged: the topic may exist although the principal may not create any. Raises
        KafkaException for a name that Kafka refuses.
        """
        admin = AdminClient(self._properties, logger=client_log)
        created = admin.create_topics([NewTopic(self.topic, 1)], operation_timeout=CREATION_SECONDS)[self.topic]
        try:
            created.result(CREATION_SECONDS)
        except TimeoutError:  # writing will show whether it exists
            _log.warning("%s was not created: Kafka did not answer within %.0f s", self.topic, CREATION_SECONDS)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_EXCEPTION:
                raise
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                _log.warning("%s was not created: %s", self.topic, error.args[0].str())

    def _failed(self, error: KafkaError) -> DeadLetterFailed:
        return DeadLetterFailed(
            f"The dead-letter topic {self.topic} could not be written: {error.str()}", hint=HINTS.get(error.code(), OTHER_HINT)
        )
