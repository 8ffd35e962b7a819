"""Translates Kafka's errors for somebody who reads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from watcher.consumer.errors import ReadError
from watcher.consumer.names import PATTERN
from watcher.errors import ConfigurationError, NotPermitted, Outage, WatcherError, command_hint
from watcher.librdkafka import no_bare_errors, was_cut_short

if TYPE_CHECKING:
    from watcher.config import Settings  # users of DatabaseChangeConsumer need not load it

NOT_AUTHORISED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
LOGIN_REFUSED = {KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION}
BAD_SETTING = {KafkaError._INVALID_ARG}

FATAL = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError.UNRELEASED_INSTANCE_ID}
"""Errors that end a member of a group. The usual cause is another member with the same group.instance.id (KIP-345)."""

NO_OFFSET_HINT = (
    'auto.offset.reset is "error". Without it, or with "earliest", reading begins with the oldest message that Kafka has; '
    "else set the group's offset with kafka-consumer-groups."
)

POSIX_HINT = "It takes those of POSIX (extended), which have no (?:...), no (?=...) and no \\d."


def is_refused_login(error: KafkaError) -> bool:
    """Return True if the credentials are not accepted. It is no refusal when they could not be looked at."""
    return error.code() in LOGIN_REFUSED and not was_cut_short(error)


@contextlib.contextmanager
def translated(ours: Callable[[KafkaError], WatcherError]) -> Iterator[None]:
    """Turn librdkafka's exceptions into what `ours` makes of them."""
    try:
        with no_bare_errors():
            yield
    except KafkaException as error:
        raise ours(error.args[0]) from error
    except Outage as error:  # of AWS, which is asked for credentials
        raise ReadError(str(error), hint=command_hint(error)) from error


def read_errors(settings: Settings) -> AbstractContextManager[None]:
    """Turn librdkafka's exceptions into ours, as `read_error` does."""
    return translated(partial(read_error, settings=settings))


def read_error(error: KafkaError, settings: Settings) -> WatcherError:
    """Return our error for Kafka's, for a user with a watcher's settings: NotPermitted, ConfigurationError, or else ReadError."""
    return error_for(error, settings.kafka_brokers, "the [kafka] table")


def error_for(error: KafkaError, brokers: str, properties: str) -> WatcherError:
    """Like `read_error`. `properties` names the place where the user has set librdkafka's properties."""
    text = f"Kafka at {brokers}: {error.str()}"
    code = error.code()
    if is_refused_login(error):
        return NotPermitted(text, hint=f"Check the sasl.* and ssl.* settings in {properties}.")
    if code in NOT_AUTHORISED:
        return NotPermitted(
            text, hint="The principal needs Read and Describe on the watcher's topics, and a consumer Read on its group."
        )
    if code in BAD_SETTING:
        return ConfigurationError(text, hint=f"See librdkafka's CONFIGURATION.md for the properties of {properties}.")
    if code == KafkaError._AUTO_OFFSET_RESET:
        return ReadError(text, hint=NO_OFFSET_HINT)
    if code in FATAL:
        return ReadError(text, hint="Where a group.instance.id is set, each process needs its own. Else start the consumer again.")
    return ReadError(f"Kafka at {brokers} does not answer: {error.str()}", hint="Is the broker running, and is its address right?")


def subscription_error(error: KafkaError, topics: Iterable[str], brokers: str, properties: str) -> WatcherError:
    """Like `error_for`, for a subscription to `topics`, of which librdkafka checks nothing but the regular expressions."""
    patterns = [repr(topic) for topic in topics if topic.startswith(PATTERN)]
    if error.code() in BAD_SETTING and patterns:
        return ConfigurationError(f"Not a regular expression for librdkafka: {' or '.join(patterns)}.", hint=POSIX_HINT)
    return error_for(error, brokers, properties)
