"""Kafka's errors: only what a person must mend is a stop."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaError, KafkaException

from watcher.errors import ConfigurationError, CredentialsRefused, NameTaken, NotPermitted, Outage, UnsupportedServer, WatcherError
from watcher.kafka import properties
from watcher.kafka.errors import as_watcher_error, explained, translated
from watcher.kafka.topics import _creation_error


@pytest.mark.parametrize(
    ("beginning", "partition"),
    [("ProduceRequest for database.insert [12] with 1 message(s)", "database.insert [12]"), ("", "a partition")],
)
def test_a_partition_without_the_last_messages_is_named_in_words(beginning: str, partition: str) -> None:
    """librdkafka's text has 250 characters of its own numbers."""
    text = (
        f"{beginning} failed due to sequence desynchronization with broker 1 "
        "(PID{Id:0,Epoch:3}, base seq 7, idemp state change 88211ms ago, last partition error Broker: Unknown topic or partition"
    )
    error = as_watcher_error(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, text), "a transaction")
    assert str(error) == (
        f"Kafka: a transaction failed: {partition} does not have this producer's last messages: the topic was made anew, or "
        "Kafka has lost the end of its log."
    )
    assert isinstance(error, Outage)
    assert "nothing is lost" not in error.hint
    assert "verify" in error.hint


@pytest.mark.parametrize(("level", "count"), [(logging.INFO, 0), (logging.DEBUG, 1)])
def test_librdkafkas_fatal_line_of_it_is_for_debugging(level: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level, "librdkafka")
    properties.logger.critical("FATAL [thrd:x]: Fatal error: failed due to sequence desynchronization with broker 1")
    assert len(caplog.records) == count


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.SASL_AUTHENTICATION_FAILED, CredentialsRefused),
        (KafkaError._AUTHENTICATION, Outage),  # without a word of why
        (KafkaError.UNSUPPORTED_VERSION, UnsupportedServer),
        (KafkaError._UNSUPPORTED_FEATURE, UnsupportedServer),
        (KafkaError._INVALID_ARG, ConfigurationError),
        (KafkaError.INVALID_TRANSACTION_TIMEOUT, ConfigurationError),
        (KafkaError._TRANSPORT, Outage),
        (KafkaError._TIMED_OUT, Outage),
        (KafkaError._ALL_BROKERS_DOWN, Outage),
        (KafkaError._FATAL, Outage),
        (KafkaError._FENCED, Outage),
        (KafkaError.INVALID_PRODUCER_EPOCH, Outage),
        (KafkaError.PRODUCER_FENCED, Outage),
        (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, Outage),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Outage),
    ],
)
def test_each_code_has_its_kind(code: int, kind: type[WatcherError]) -> None:
    error = as_watcher_error(KafkaError(code), "a transaction")
    assert type(error) is kind
    assert error.hint
    assert str(error).startswith("Kafka: a transaction failed: ")


def test_the_flags_of_librdkafka_do_not_make_a_stop() -> None:
    error = KafkaError(KafkaError._FENCED, "fenced", fatal=True)
    assert isinstance(as_watcher_error(error, "a transaction"), Outage)


def test_a_bare_error_is_caught_too() -> None:
    """confluent-kafka raises it out of `flush` when a producer was fenced; `except BaseException` lets it through."""
    fenced = KafkaError(KafkaError._FENCED, "fenced by a newer instance", fatal=True)

    def flush() -> None:
        raise fenced  # type: ignore[misc]  # confluent-kafka raises it, though it is no exception

    with ThreadPoolExecutor(1) as thread, pytest.raises(Outage) as caught:
        thread.submit(translated("a transaction")(flush)).result(10)
    assert caught.value.code == "_FENCED"


def test_an_error_that_was_lost_on_its_way_is_caught_too() -> None:
    with pytest.raises(Outage) as caught, translated("a transaction"):
        raise SystemError("<method 'flush' of 'cimpl.Producer' objects> returned NULL without setting an exception")
    assert caught.value.code == "_FATAL"


def test_other_exceptions_stay_what_they_are() -> None:
    with pytest.raises(SystemError), translated("a transaction"):
        raise SystemError("bad argument to internal function")
    with pytest.raises(ZeroDivisionError), translated("a transaction"):
        1 / 0  # noqa: B018 - a bug stays a bug


def test_an_outage_names_kafka() -> None:
    with pytest.raises(Outage) as caught, translated("a transaction"):
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))
    assert caught.value.component == "kafka"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, NotPermitted),
        (KafkaError.INVALID_PARTITIONS, ConfigurationError),
        (KafkaError.INVALID_REPLICATION_FACTOR, ConfigurationError),
        (KafkaError.POLICY_VIOLATION, ConfigurationError),
        (KafkaError.INVALID_CONFIG, ConfigurationError),
        (KafkaError.TOPIC_EXCEPTION, NameTaken),
        (KafkaError._TIMED_OUT, Outage),
    ],
)
def test_why_a_topic_was_not_created(code: int, kind: type[WatcherError]) -> None:
    error = _creation_error("database.insert", KafkaError(code))
    assert type(error) is kind
    assert "database.insert" in str(error)
    assert error.hint


OUTAGE = Outage("asking for the topics failed", hint="a hint", component="kafka")
UNTRUSTED = KafkaError(KafkaError._SSL, "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker …")
UNCERTIFIED = KafkaError(KafkaError._SSL, "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert …")
CUT = KafkaError(KafkaError._SSL, "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?")
AWAY = KafkaError(KafkaError._TRANSPORT, "Connect to 127.0.0.1:9092 failed: Connection refused")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error: Authentication failed")


@pytest.mark.parametrize(
    ("troubles", "kind", "words"),
    [
        ([], Outage, "asking for the topics failed"),
        ([ALL_DOWN], Outage, "asking for the topics failed"),
        ([ALL_DOWN, AWAY], Outage, "Connection refused"),
        ([CUT, ALL_DOWN], Outage, "Disconnected"),
        ([UNTRUSTED, ALL_DOWN], NotPermitted, "certificate cannot be trusted"),
        ([UNTRUSTED, AWAY], Outage, "certificate verify failed"),
        ([UNCERTIFIED, ALL_DOWN], NotPermitted, "does not accept the watcher's certificate"),
        ([UNCERTIFIED, AWAY], Outage, "alert bad certificate"),
        ([AWAY, REFUSED], CredentialsRefused, "Authentication failed"),
    ],
)
def test_why_kafka_does_not_answer(troubles: list[KafkaError], kind: type[WatcherError], words: str) -> None:
    error = explained(OUTAGE, troubles)
    assert type(error) is kind
    assert words in str(error)
    assert error.hint


def test_a_time_that_is_refused_is_about_clocks() -> None:
    error = as_watcher_error(KafkaError(KafkaError.INVALID_TIMESTAMP), "writing to t.position")
    assert isinstance(error, Outage)
    assert "clock" in error.hint


@pytest.mark.parametrize(("error", "code"), [(AWAY, "_TRANSPORT"), (KafkaError(KafkaError.PRODUCER_FENCED), "PRODUCER_FENCED")])
def test_an_outage_is_counted_by_librdkafkas_name_for_it(error: KafkaError, code: str) -> None:
    outage = as_watcher_error(error, "a transaction")
    assert isinstance(outage, Outage)
    assert outage.code == code


def test_an_outage_that_is_explained_is_counted_by_its_reason() -> None:
    outage = explained(OUTAGE, [ALL_DOWN, AWAY])
    assert isinstance(outage, Outage)
    assert (OUTAGE.code, outage.code) == ("other", "_TRANSPORT")


def test_a_broker_that_takes_connections_and_says_nothing_does_not_answer() -> None:
    silent = as_watcher_error(KafkaError(KafkaError._TRANSPORT, "Failed to get metadata"), "asking for the topics")
    assert isinstance(silent, Outage)
    outage = explained(silent, [])
    assert str(outage) == "Kafka does not answer: asking for the topics failed: Failed to get metadata"
    assert isinstance(outage, Outage)
    assert (outage.hint, outage.code) == (silent.hint, "_TRANSPORT")


@pytest.mark.parametrize(
    "text",
    [
        "SASL PLAIN mechanism handshake failed: Local: Broker transport failure: broker's supported mechanisms: (n/a)",
        "Failed to acquire SASL OAUTHBEARER token: Could not connect to server",
        'Failed to acquire SASL OAUTHBEARER token: {"error": "temporarily_unavailable"}',
    ],
)
def test_an_authentication_that_was_cut_short_is_an_outage(text: str) -> None:
    trouble = KafkaError(KafkaError._AUTHENTICATION, text)
    away = Outage("Kafka: asking for the topics failed", component="kafka", code="_TRANSPORT")
    assert type(explained(away, [trouble])) is Outage
    assert type(as_watcher_error(trouble, "opening")) is Outage
    assert type(explained(away, [trouble, KafkaError(KafkaError._AUTHENTICATION, "Authentication failed")])) is CredentialsRefused


@pytest.mark.parametrize(
    "text",
    [
        "EndTxn commit failed: Local: Authentication failure",
        "GroupCoordinator: FindCoordinator response error: Local: Authentication failure",
        "Failed to get metadata: Local: Authentication failure",
    ],
)
def test_a_request_that_a_login_has_taken_along_does_not_tell_why(text: str) -> None:
    """An old token that is shown while the server of tokens is away takes along a commit, and no credentials are wrong."""
    request = KafkaError(KafkaError._AUTHENTICATION, text)
    no_token = KafkaError(KafkaError._AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token: Could not connect to server")
    error = as_watcher_error(request, "a transaction")
    assert isinstance(error, Outage)
    assert "sasl.*" in error.hint
    assert type(explained(error, [])) is Outage
    assert type(explained(error, [request, no_token])) is Outage
    assert type(explained(error, [request, REFUSED])) is CredentialsRefused


@pytest.mark.parametrize("answer", ['{"error":"invalid_client","error_description":"Bad secret"}', '{ "error" : "access_denied" }'])
def test_a_token_that_is_refused_is_about_credentials(answer: str) -> None:
    trouble = KafkaError(KafkaError._AUTHENTICATION, f"Failed to acquire SASL OAUTHBEARER token: {answer}")
    away = Outage("Kafka: asking for the topics failed", component="kafka", code="_TRANSPORT")
    assert type(explained(away, [trouble])) is CredentialsRefused
    assert type(as_watcher_error(trouble, "opening")) is CredentialsRefused
