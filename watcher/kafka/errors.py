"""Translation of Kafka's errors into ours, whose type tells a worker to keep trying, or to stop and say what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import KafkaError, KafkaException

from watcher.errors import (
    ConfigurationError,
    CredentialsRefused,
    NotPermitted,
    Outage,
    Stop,
    UnsupportedServer,
    WatcherError,
)
from watcher.kafka.error_table import CREDENTIALS_HINT, MEANINGS, REACH_HINT, UNKNOWN, Answer
from watcher.librdkafka import DESYNCHRONISED, no_bare_errors, was_cut_short, was_taken_along

NOT_AUTHORISED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
"""Codes that report a missing right."""

AUTHENTICATION_FAILED = {KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION}

UNREACHABLE = {KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._SSL}
SILENT = {"_TRANSPORT", "_TIMED_OUT"}
"""Names of the errors that calls end with when a broker accepts the connection and then says nothing."""

STOPS: Mapping[Answer, type[Stop]] = {
    Answer.NOT_PERMITTED: NotPermitted,
    Answer.UNSUPPORTED: UnsupportedServer,
    Answer.CONFIGURATION: ConfigurationError,
}

CUT_OFF = "does not have this producer's last messages: the topic was made anew, or Kafka has lost the end of its log."
CUT_OFF_HINT = "The worker opens again after the last committed position. watcherctl verify finds what the topics lack."

_PARTITION = re.compile(r"ProduceRequest for (\S+ \[\d+\])")
"""librdkafka's words for the topic and partition of a write."""

CERTIFICATE_REFUSED = "certificate verify failed"
"""OpenSSL's words. librdkafka's codes do not tell a bad certificate from a handshake that was cut off."""

OWN_CERTIFICATE_REFUSED = re.compile(
    "alert (?:certificate required|bad certificate|unsupported certificate|certificate (?:revoked|expired|unknown)|unknown ca)"
)
"""OpenSSL's words for what a broker says of its client's certificate (RFC 8446, 6.2)."""

OWN_CERTIFICATE_HINT = (
    "The broker wants a client's certificate by a CA that it trusts: check ssl.certificate.location and ssl.key.location in "
    "the [kafka] table."
)
CERTIFICATE_HINT = "Check ssl.ca.location in the [kafka] table, and that the broker's certificate is for its host and still valid."


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn librdkafka's errors into ours; `doing` completes the sentence "Kafka: … failed"."""
    try:
        with no_bare_errors():
            yield
    except KafkaException as error:
        raise as_watcher_error(error.args[0], doing) from error


def as_watcher_error(error: KafkaError, doing: str) -> WatcherError:
    """Translate an error. Only errors that a person must mend become a stop; for all others, even fatal ones, the worker opens
    again.

    This includes being fenced. Codes and flags do not say by whom: librdkafka reports a coordinator's time-out and a real takeover
    alike. The next opening finds out, because it reads the owner's name in the position topic. It also finds out what became of a
    login that took a request along: an old token that is shown while no new one is to be had is no reason to stop.
    """
    if DESYNCHRONISED in error.str():
        return _cut_off(error, doing)
    text = f"Kafka: {doing} failed: {error.str()}"
    meaning = MEANINGS.get(error.code(), UNKNOWN)
    if meaning.answer is Answer.CREDENTIALS and was_cut_short(error):
        return Outage(text, hint=REACH_HINT, component="kafka", code=error.name())
    if was_taken_along(error):
        return Outage(text, hint=meaning.hint, component="kafka", code=error.name())
    if meaning.answer is Answer.CREDENTIALS:
        return CredentialsRefused(text, hint=meaning.hint, component="kafka")
    if meaning.answer is Answer.OUTAGE:
        return Outage(text, hint=meaning.hint, component="kafka", code=error.name())
    return STOPS.get(meaning.answer, WatcherError)(text, hint=meaning.hint)


def _cut_off(error: KafkaError, doing: str) -> Outage:
    partition = _PARTITION.search(error.str())
    text = f"Kafka: {doing} failed: {partition[1] if partition else 'a partition'} {CUT_OFF}"
    return Outage(text, hint=CUT_OFF_HINT, component="kafka", code=error.name())


def explained(outage: Outage, troubles: Iterable[KafkaError]) -> WatcherError:
    """Return the outage with its reason, which librdkafka does not report through the call that times out.

    A certificate does not mend itself. But one broker may have a bad one while the brokers with good ones are down. So bad
    certificates are a stop only if there was no other trouble.
    """
    failures = [failure for failure in troubles if not was_taken_along(failure)]
    if refused := [failure for failure in failures if failure.code() in AUTHENTICATION_FAILED and not was_cut_short(failure)]:
        return CredentialsRefused(f"Kafka refuses the connection: {refused[0].str()}", hint=CREDENTIALS_HINT, component="kafka")
    unreachable = [failure for failure in failures if failure.code() in UNREACHABLE or was_cut_short(failure)]
    if not unreachable and outage.code in SILENT:
        text = f"Kafka does not answer: {str(outage).removeprefix('Kafka: ')}"
        return Outage(text, hint=outage.hint, component=outage.component, code=outage.code)
    if not unreachable:
        return outage
    first = unreachable[0]
    if all(CERTIFICATE_REFUSED in failure.str() for failure in unreachable):
        return NotPermitted(f"Kafka's certificate cannot be trusted: {first.str()}", hint=CERTIFICATE_HINT)
    if all(OWN_CERTIFICATE_REFUSED.search(failure.str()) for failure in unreachable):
        return NotPermitted(f"Kafka does not accept the watcher's certificate: {first.str()}", hint=OWN_CERTIFICATE_HINT)
    return Outage(f"Kafka does not answer: {first.str()}", hint=outage.hint, component=outage.component, code=first.name())
