"""Whatever librdkafka raises, the user of the consumer gets our errors, in whose text it stands what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.support.consuming import Running
from tests.support.token_server import TokenServer
from tests.support.waiting import eventually
from tests.unit.test_ownership import SETTINGS
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer
from watcher.consumer.delivery.attempts import Attempts
from watcher.consumer.delivery.watchdog import Watchdog
from watcher.consumer.errors import ReadError
from watcher.consumer.reading import feed, topics
from watcher.consumer.reading.reader import MessageReader
from watcher.errors import ConfigurationError, NotPermitted

NOBODY = "127.0.0.1:1"
FENCED = KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced by a newer instance", fatal=True)


def bare(*_: Any, **__: Any) -> None:
    """confluent-kafka raises it where a client has failed for good, though it is no exception."""
    raise FENCED  # type: ignore[misc]  # see above


def usual(*_: Any, **__: Any) -> None:
    raise KafkaException(FENCED)


def client_that(fails: Callable[..., None], *methods: str) -> type:
    """A client whose `methods` fail; the others return None."""

    class Client:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return fails if name in methods else lambda *_, **__: None

    return Client


def raised_by(call: Callable[[], Any]) -> BaseException | None:
    """Return the error that a call raises. In a thread: a bare error would end the test without a word."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - all of them are of interest
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return raised[0] if raised else None


@pytest.mark.parametrize("fails", [bare, usual])
@pytest.mark.parametrize("method", ["subscribe", "poll", "close"])
def test_a_consumer_that_has_failed_for_good(fails: Callable[..., None], method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "Consumer", client_that(fails, method, "poll"))
    error = raised_by(DatabaseChangeConsumer(NOBODY, "group", ["topic"]).run)
    assert isinstance(error, ReadError)
    assert "group.instance.id" in error.hint


@pytest.mark.parametrize("pattern", ["^[", "^shop[.](?:a|b)$"])
def test_a_topic_that_is_no_regular_expression(pattern: str) -> None:
    error = raised_by(DatabaseChangeConsumer(NOBODY, "group", ["topic", pattern]).run)
    assert isinstance(error, ConfigurationError)
    assert repr(pattern) in str(error)
    assert "POSIX" in error.hint


@pytest.mark.parametrize("fails", [bare, usual])
@pytest.mark.parametrize("method", ["consume", "incremental_assign"])
def test_a_reader_that_has_failed_for_good(fails: Callable[..., None], method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "Consumer", client_that(fails, method))
    monkeypatch.setattr(topics.WatcherTopics, "_partitions", lambda _: {("topic", 0)})
    error = raised_by(lambda: MessageReader(SETTINGS).poll(0))
    assert isinstance(error, ReadError)


def test_a_handler_that_raises_such_an_error_is_tried_again() -> None:
    """Its own producer may have been fenced."""
    calls: list[list[Change]] = []

    def handler(changes: list[Change]) -> None:
        calls.append(changes)
        bare()

    attempts = Attempts(ConsumerOptions(attempts=2, backoff_ms=1), Watchdog(None, exits=False), lambda _: None, lambda each: each)
    ended: list[Any] = []
    assert raised_by(lambda: ended.append(attempts.call(handler, [None]))) is None  # type: ignore[list-item]  # nobody looks at it
    [(_, error)] = ended
    assert isinstance(error, KafkaException)
    assert len(calls) == 2


def logging_in(login: dict[str, str]) -> DatabaseChangeConsumer:
    """A consumer whose brokers are not reached, as it gets no token for them."""
    consumer = DatabaseChangeConsumer(NOBODY, "g", ["t"], kafka={"security.protocol": "SASL_PLAINTEXT", **login})
    consumer.on_other(lambda change: None)
    return consumer


def test_a_consumer_waits_for_a_server_of_tokens_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    with TokenServer(600, {"orders": "hunter2"}) as tokens:
        tokens.is_away = True
        consumer = logging_in(tokens.login("orders"))
        with Running(consumer) as running:
            eventually(lambda: "no login to Kafka for the moment" in caplog.text)
    assert running.error is None


def test_a_refused_secret_of_an_oauth_client_ends_a_consumer() -> None:
    with TokenServer(600, {"orders": "hunter2"}) as tokens:
        consumer = logging_in(tokens.login("orders") | {"sasl.oauthbearer.client.secret": "wrong"})
        with Running(consumer) as running:
            eventually(running.has_ended)
    assert isinstance(running.error, NotPermitted)
    assert "invalid_client" in str(running.error)


NO_TOKEN = KafkaError(KafkaError._AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token: Could not connect to server")
OLD_TOKEN = KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, 'SASL authentication error: {"status":"invalid_token"}')
TOO_SOON = KafkaError(
    KafkaError._AUTHENTICATION, "SASL OAUTHBEARER mechanism handshake failed: Broker: Request not valid in current SASL state"
)
TAKEN_ALONG = KafkaError(KafkaError._AUTHENTICATION, "FindCoordinator response error: Local: Authentication failure")
WRONG = KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "SASL authentication error: Authentication failed")


@contextmanager
def a_feed() -> Iterator[feed.Feed]:
    """A reader whose brokers are not reached."""
    nothing: dict[str, Any] = dict.fromkeys(("assigned", "revoked", "lost", "committed", "uncommitted"), lambda *_: None)
    reader = feed.Feed({"bootstrap.servers": NOBODY, "group.id": "g"}, ["t"], **nothing)
    try:
        yield reader
    finally:
        reader.close()


class Polled:
    """Stands in for a client, and counts how often it is polled."""

    def __init__(self) -> None:
        self.polls = 0

    def poll(self, _: float) -> None:
        self.polls += 1

    def assignment(self) -> list[object]:
        return []

    def pause(self, _: list[object]) -> None:
        """There is nothing to pause."""

    resume = pause


@pytest.mark.parametrize(("is_over", "polls"), [(False, 1), (True, 0)])
def test_also_the_shortest_wait_polls(is_over: bool, polls: int) -> None:
    """With backoff_ms = 0 nothing else would, and Kafka would take the member for dead."""
    with a_feed() as reader:
        client, reader._consumer = reader._consumer, Polled()  # type: ignore[assignment]  # a stand-in
        reader.idle(0.0, lambda: is_over)
        assert reader._consumer.polls == polls
        reader._consumer = client


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ([OLD_TOKEN], True),
        ([TOO_SOON], True),
        ([NO_TOKEN], False),
        ([NO_TOKEN, OLD_TOKEN], False),
        ([NO_TOKEN, TOO_SOON], False),
        ([NO_TOKEN, WRONG], True),
    ],
)
def test_an_old_token_is_no_wrong_one(told: list[KafkaError], ends: bool) -> None:
    with a_feed() as reader:
        for error in told:
            reader._note(error)
        raised = raised_by(lambda: reader.read(0))
    assert isinstance(raised, NotPermitted) is ends


@pytest.mark.parametrize(
    ("told", "ends"), [([TOO_SOON], False), ([TOO_SOON, TAKEN_ALONG], False), ([TAKEN_ALONG], False), ([TAKEN_ALONG, WRONG], True)]
)
def test_a_login_too_soon_after_the_last_one_is_no_refusal(told: list[KafkaError], ends: bool) -> None:
    """It has been let in before, for it has read. At a first login it is the answer of a port without SASL."""
    with a_feed() as reader:
        reader._on_assign(reader._consumer, [TopicPartition("t", 0)])
        for error in told:
            reader._note(error)
        assert isinstance(raised_by(lambda: reader.read(0)), NotPermitted) is ends


def test_a_missing_token_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of every ten seconds, and by each broker."""
    clock = [1000.0]
    monkeypatch.setattr(feed, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    with a_feed() as reader:
        for seconds in (0, 0, 10, 50, feed.NO_TOKEN_SECONDS):
            clock[0] += seconds
            reader._note(NO_TOKEN)
    assert caplog.text.count("no login to Kafka for the moment") == 2
