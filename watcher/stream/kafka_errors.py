"""What Kafka's errors mean for a worker: ride it out, or stop and say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaError, KafkaException

from watcher.errors import ConfigurationError, CredentialsRefused, NotPermitted, Outage, UnsupportedServer, WatcherError

NOT_AUTHORISED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Grant Write on the topics, and Read and Write on the position topic.",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "Grant Read on the group.",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "Grant IdempotentWrite on the cluster, which brokers before 2.8 want.",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "Grant Write on the transactional id, which is the kafka_client_id.",
}
"""The codes for a right that is missing, each with the right."""

AUTHENTICATION_FAILED = {KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION}
NO_TRANSACTIONS = {KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE}
UNREACHABLE = {KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._SSL}
SILENT = {"_TRANSPORT", "_TIMED_OUT"}
"""What calls say, by name, when a broker takes the connection and no more."""

BAD_SETTING = {KafkaError._INVALID_ARG, KafkaError.INVALID_TRANSACTION_TIMEOUT}

CERTIFICATE_REFUSED = "certificate verify failed"
"""OpenSSL's words; librdkafka's codes don't tell a wrong certificate from a handshake that was cut."""

CREDENTIALS_HINT = "Check the sasl.* and ssl.* settings in the [kafka] table."
CERTIFICATE_HINT = "Check ssl.ca.location in the [kafka] table, and that the broker's certificate is for its host and still valid."
TRANSACTIONS_HINT = 'Exactly-once needs Kafka 0.11 or newer; with delivery = "at-least-once" older brokers will do.'
CLOCK_HINT = (
    "The broker refuses times too far ahead of its clock (message.timestamp.after.max.ms). Compare the clocks: messages have "
    "MongoDB's time, and positions this host's, unless their topic has message.timestamp.type=LogAppendTime."
)
REACH_HINT = "Is the broker running, and is kafka_brokers right? The worker keeps trying."


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn librdkafka's errors into ours; `doing` completes the sentence "Kafka: … failed"."""
    try:
        yield
    except KafkaException as error:
        raise as_watcher_error(error.args[0], doing) from error


def as_watcher_error(error: KafkaError, doing: str) -> WatcherError:
    """Only what a person must mend is a stop; all else, fatal errors too, is answered by opening again.

    That holds for being fenced as well. Codes and flags don't say by whom (librdkafka reports a coordinator's time-out and a
    real takeover alike), so the opening finds out: it reads whose name stands in the position.
    """
    text = f"Kafka: {doing} failed: {error.str()}"
    code = error.code()
    if code in NOT_AUTHORISED:
        return NotPermitted(text, hint=f"{NOT_AUTHORISED[code]} docs/permissions.md lists all rights.")
    if code in AUTHENTICATION_FAILED:
        return CredentialsRefused(text, hint=CREDENTIALS_HINT, component="kafka")
    if code in NO_TRANSACTIONS:
        return UnsupportedServer(text, hint=TRANSACTIONS_HINT)
    if code in BAD_SETTING:
        return ConfigurationError(text, hint="See librdkafka's CONFIGURATION.md for the properties of the [kafka] table.")
    hint = CLOCK_HINT if code == KafkaError.INVALID_TIMESTAMP else REACH_HINT
    return Outage(text, hint=hint, component="kafka", code=error.name())


def explained(outage: Outage, troubles: Iterable[KafkaError]) -> WatcherError:
    """The outage with its reason, which librdkafka tells only beside the call that times out.

    A certificate does not mend itself; but one broker may have a bad one while the good ones are away. So that is a stop only if
    nothing else was met with.
    """
    failures = list(troubles)
    if refused := [failure for failure in failures if failure.code() in AUTHENTICATION_FAILED]:
        return CredentialsRefused(f"Kafka refuses the connection: {refused[0].str()}", hint=CREDENTIALS_HINT, component="kafka")
    unreachable = [failure for failure in failures if failure.code() in UNREACHABLE]
    if not unreachable and outage.code in SILENT:
        text = f"Kafka does not answer: {str(outage).removeprefix('Kafka: ')}"
        return Outage(text, hint=outage.hint, component=outage.component, code=outage.code)
    if not unreachable:
        return outage
    first = unreachable[0]
    if all(CERTIFICATE_REFUSED in failure.str() for failure in unreachable):
        return NotPermitted(f"Kafka's certificate cannot be trusted: {first.str()}", hint=CERTIFICATE_HINT)
    return Outage(f"Kafka does not answer: {first.str()}", hint=outage.hint, component=outage.component, code=first.name())
