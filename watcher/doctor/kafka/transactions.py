"""Checks that transactions work in a watcher's Kafka. The trial uses a name of doctor's own, and leaves no message behind."""

from __future__ import annotations

import contextlib

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from watcher.doctor.check import Check, Finding, failed, not_checked, ok
from watcher.doctor.kafka.cluster import ANSWER_SECONDS, ANSWERING, Kafka
from watcher.doctor.kafka.copies import judge_copies
from watcher.errors import NotPermitted, WatcherError
from watcher.kafka.errors import translated
from watcher.kafka.properties import producer_config, reader_config

PROBE_MS = 10_000
"""Time, in milliseconds, for which the coordinator keeps the trial's transaction if we die in the middle of it."""

TRANSACTION_LOG = "__transaction_state"
LOG_COPIES = "transaction.state.log.replication.factor"


def transactions(kafka: Kafka) -> Finding:
    """Check that a transaction can be begun, joined and ended. It is aborted, and holds no message."""
    if kafka.settings.delivery != "exactly-once":
        return not_checked(f'because delivery = "{kafka.settings.delivery}" uses none')
    with_offset = kafka.settings.position_topic in kafka.metadata().topics
    try:
        with translated(f"a transaction as {kafka.probe}"):
            took_part = _try_transaction(kafka, with_offset=with_offset)
    except NotPermitted as error:
        if _code(error) != KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            raise
        fix = kafka.acl(f"--operation Write --transactional-id {kafka.probe}")
        return not_checked(f"because doctor may not use a transactional id of its own, {kafka.probe}", fix)
    return ok(f"one was begun and aborted as {kafka.probe}" if took_part else f"the coordinator knows {kafka.probe} now")


def _try_transaction(kafka: Kafka, *, with_offset: bool) -> bool:
    """Try a transaction. True if it held something: an offset of a group that does not exist. Raises KafkaException."""
    config = producer_config(kafka.settings, kafka.troubles.append)
    config |= {"transactional.id": kafka.probe, "transaction.timeout.ms": PROBE_MS, "message.timeout.ms": PROBE_MS}
    producer = Producer(config)
    producer.init_transactions(ANSWER_SECONDS)
    if not with_offset:
        return False
    producer.begin_transaction()
    consumer = Consumer({**reader_config(kafka.settings, kafka.troubles.append), "group.id": kafka.probe})
    try:
        offset = TopicPartition(kafka.settings.position_topic, 0, 0)
        producer.send_offsets_to_transaction([offset], consumer.consumer_group_metadata(), ANSWER_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise
        return False  # workers need no right on a group
    finally:
        producer.abort_transaction(ANSWER_SECONDS)
        consumer.close()
    _forget_group(kafka)
    return True


def _forget_group(kafka: Kafka) -> None:
    """Delete the empty group. Without the right to do so, Kafka removes it by itself within minutes."""
    with contextlib.suppress(KafkaException):
        kafka.admin.delete_consumer_groups([kafka.probe], request_timeout=ANSWER_SECONDS)[kafka.probe].result()


def _code(error: WatcherError) -> int | None:
    """Return librdkafka's code for the cause of our error."""
    cause = error.__cause__
    return cause.args[0].code() if isinstance(cause, KafkaException) else None


def transaction_log(kafka: Kafka) -> Finding:
    """Check that the topic in which Kafka keeps transactions has its copies."""
    if kafka.settings.delivery != "exactly-once":
        return not_checked(f'because delivery = "{kafka.settings.delivery}" uses no transactions')
    metadata = kafka.metadata()
    if topic := metadata.topics.get(TRANSACTION_LOG):
        return judge_copies({TRANSACTION_LOG: topic}, len(metadata.brokers), {})
    wanted = kafka.broker_setting(LOG_COPIES)
    if wanted is None:
        return not_checked("because it cannot be seen", kafka.acl(f"--operation Describe --topic {TRANSACTION_LOG}"))
    return judge_wanted_copies(int(wanted), len(metadata.brokers))


def judge_wanted_copies(copies: int, broker_count: int) -> Finding:
    """Judge the number of copies that the broker will ask for. Before the first transaction there is nothing else to go by."""
    if copies > broker_count:
        text = f"{LOG_COPIES} is {copies}, with {broker_count} broker{'s' if broker_count != 1 else ''}: no transaction can begin"
        fix = f"in server.properties: {LOG_COPIES}={broker_count} and transaction.state.log.min.isr=1; or start more brokers"
        return failed(text, fix)
    return ok(f"will be made with {copies} cop{'ies' if copies > 1 else 'y'}")


CHECKS: tuple[Check[Kafka], ...] = (
    Check("kafka.transactions", transactions, needs=ANSWERING),
    Check("kafka.transaction-log", transaction_log, needs=ANSWERING),
)
