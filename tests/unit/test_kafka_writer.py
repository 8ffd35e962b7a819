"""Handing messages to librdkafka, a request at a time."""

from __future__ import annotations

import contextlib
import sys
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st

from tests.support.native_part import NEEDS_C
from watcher.kafka.transactions import writer as kafka_writer
from watcher.kafka.transactions.pause import SHARE
from watcher.kafka.transactions.writer import RECORD_BYTES, IdempotentWriter, TransactionalWriter, enqueue
from watcher.model import Message

NATIVE = kafka_writer.native


@pytest.fixture(params=[pytest.param(NATIVE, id="C", marks=NEEDS_C), pytest.param(None, id="Python")])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand messages over in C and in Python, in turn."""
    monkeypatch.setattr(kafka_writer, "native", request.param)


@pytest.mark.usefixtures("either")
def test_how_each_message_fared_is_told() -> None:
    """Without that a writer would take refused messages for delivered ones."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    told: list[tuple[str | None, bytes | None, int]] = []

    def on_delivery(error: KafkaError | None, message: DeliveredMessage) -> None:
        assert error is not None
        told.append((message.topic(), message.key(), error.code()))

    messages = [Message("a", b"1", b"{}", 1_700_000_000_000, "insert"), Message("b", b"2", b"{}", 0, "update")]
    assert enqueue(producer, messages, 0, 1000, on_delivery) == 2
    producer.purge()
    producer.flush(10)
    assert told == [("a", b"1", KafkaError._PURGE_QUEUE), ("b", b"2", KafkaError._PURGE_QUEUE)]


def message(size: int) -> Message:
    """With `size` bytes of value and key, and what a record adds."""
    return Message("a", b"k", b"v" * (size - 1 - RECORD_BYTES), 0, "insert")


@pytest.mark.parametrize(
    ("sizes", "pieces"),
    [
        ([100], [1]),
        ([1000], [1]),
        ([1500], [1]),
        ([400, 400, 200], [3]),
        ([400, 400, 201], [2, 1]),
        ([1500, 100, 1500, 1500], [1, 1, 1, 1]),
        ([100] * 25, [10, 10, 5]),
    ],
)
@pytest.mark.usefixtures("either")
def test_a_request_holds_what_fits(sizes: list[int], pieces: list[int]) -> None:
    messages, producer, done = [message(size) for size in sizes], Recorder(), [0]
    while done[-1] < len(messages):
        done.append(enqueue(producer, messages, done[-1], 1000))  # type: ignore[arg-type]  # a stand-in
    assert [after - before for before, after in pairwise(done)] == pieces
    assert [call[2] for call in producer.calls] == [each.key for each in messages]


class Recorder:
    """Takes messages, but none while it is `full`, which it is no longer after that many polls."""

    def __init__(self, full: int = 0) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.full = full

    def produce(self, *message: Any) -> None:
        if self.full:
            raise BufferError
        self.calls.append(message)

    def poll(self, _seconds: float) -> None:
        self.full -= 1


def on_delivery(_error: KafkaError | None, _message: DeliveredMessage) -> None: ...


MESSAGES = st.builds(
    Message,
    st.sampled_from(["a", "b"]),
    st.none() | st.binary(max_size=90),
    st.none() | st.binary(max_size=300),
    st.integers(0, 2**62),
    st.sampled_from(["insert", "delete"]),
    st.integers(-1, 5),
    headers=st.none() | st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=8)), max_size=3),
    header_bytes=st.integers(0, 100),
)


@NEEDS_C
@given(st.lists(MESSAGES, max_size=9), st.integers(0, 9), st.integers(0, 1500), st.integers(0, 2))
def test_c_and_python_make_the_same_calls(messages: list[Message], first: int, size: int, full: int) -> None:
    answers = []
    for native in (NATIVE, None):
        producer = Recorder(full)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kafka_writer, "native", native)
            next_one = enqueue(producer, messages, min(first, len(messages)), size, on_delivery)  # type: ignore[arg-type]  # a stand-in
        answers.append((next_one, producer.calls, producer.full))
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("either")
def test_what_librdkafka_refuses_is_an_error() -> None:
    """A transaction must not commit without it."""
    producer, taken = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "message.max.bytes": 1000}), Mock()
    with pytest.raises(KafkaException) as caught:
        enqueue(producer, [message(100), message(5000), message(100)], 0, 10_000, taken)
    assert caught.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    producer.purge()
    producer.flush(10)
    assert taken.call_count == 1


@pytest.mark.usefixtures("either")
def test_an_error_of_a_poll_for_room_is_raised() -> None:
    producer = Recorder(full=1)
    producer.poll = Mock(side_effect=KafkaException(KafkaError(KafkaError._FATAL)))  # type: ignore[method-assign]  # it fails
    with pytest.raises(KafkaException):
        enqueue(producer, [message(100)], 0, 1000)  # type: ignore[arg-type]  # a stand-in


@NEEDS_C
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (object(), [message(100)], 0, 1000, None),
        (Recorder(), None, 0, 1000, None),
        (Recorder(), [message(100)], "0", 1000, None),
        (Recorder(), [message(100)], -5, 1000, None),
        (Recorder(), [message(100)], 0, 2**70, None),
        (Recorder(), [("a", b"1")], 0, 1000, None),
        (Recorder(), [[*message(100)]], 0, 1000, None),
        (Recorder(), [message(100)._replace(key="text")], 0, 1000, None),
        (Recorder(), [message(100)._replace(value=7)], 0, 1000, None),
        (Recorder(), [message(100)._replace(header_bytes=None)], 0, 1000, None),
        (Recorder(), [message(100)._replace(header_bytes=-1)], 0, 1000, None),
    ],
    ids=[
        "none", "no producer", "no messages", "no number", "before all", "too large a size", "a short tuple", "a list",
        "a text as key", "a number as value", "no size of headers", "a negative size",
    ],
)  # fmt: skip
def test_c_takes_nothing_else(arguments: tuple[Any, ...]) -> None:
    assert NATIVE
    with pytest.raises((TypeError, ValueError, AttributeError, OverflowError, IndexError)):
        NATIVE.enqueue(*arguments)


@NEEDS_C
@pytest.mark.parametrize("full", [0, 1])
@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
def test_c_keeps_no_references(full: int, *, refused: bool) -> None:
    """As many as it takes to see one lost or kept in each call."""
    assert NATIVE
    held: Any = Message("a" * 50, b"k" * 50, b"v" * 500, 2**60, "insert", headers=[("h" * 20, b"v" * 20)], header_bytes=40)
    messages = [held] * 3

    class Taker(Recorder):
        def produce(self, *_message: Any) -> None:
            if self.full:
                raise BufferError
            if refused:
                raise KafkaException

    producer, values = Taker(), [None, held, messages, on_delivery, *held]
    before = [*map(sys.getrefcount, values)]
    for _ in range(2000):
        producer.full = full
        with contextlib.suppress(KafkaException):
            NATIVE.enqueue(producer, messages, 0, 700, on_delivery)  # type: ignore[arg-type]  # a stand-in
        with contextlib.suppress(AttributeError):
            NATIVE.enqueue(None, messages, 0, 700, on_delivery)  # type: ignore[arg-type]  # no producer
    after = [*map(sys.getrefcount, values)]
    assert max(abs(one - other) for one, other in zip(before, after, strict=True)) < 100


@pytest.mark.usefixtures("either")
def test_the_position_is_a_request_of_its_own_where_there_are_no_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not be there before its messages are."""
    producer = TimedProducer(Clock())
    monkeypatch.setattr(kafka_writer, "Producer", lambda _config: producer)
    IdempotentWriter({"batch.size": 1000}).write([message(400)] * 3, message(100))
    assert producer.flushed == [2, 1, 1]


SEND_SECONDS, COMMIT_SECONDS = 0.015, 0.003


class Clock:
    """Stands still but for what the producer takes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class TimedProducer:
    """Takes SEND_SECONDS for what is queued and COMMIT_SECONDS for a commit, which first sends what is queued still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queued = 0
        self.flushed: list[int] = []
        """Messages that each flush has sent."""

    def init_transactions(self, _seconds: float) -> None: ...

    def begin_transaction(self) -> None: ...

    def poll(self, _seconds: float) -> None: ...

    def produce(self, *_message: Any) -> None:
        self._queued += 1

    def flush(self, _seconds: float) -> int:
        self._clock.now += SEND_SECONDS if self._queued else 0.0
        self.flushed.append(self._queued)
        self._queued = 0
        return 0

    def commit_transaction(self, seconds: float) -> None:
        self.flush(seconds)
        self._clock.now += COMMIT_SECONDS


@pytest.mark.usefixtures("either")
def test_the_pause_is_measured_by_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else large documents would wait for half of what it takes to send megabytes of them."""
    clock = Clock()
    monkeypatch.setattr(kafka_writer, "Producer", lambda _config: TimedProducer(clock))
    monkeypatch.setattr(kafka_writer, "time", clock)
    writer = TransactionalWriter({"batch.size": 1000})
    writer.write([message(900)] * 3, message(900))
    writer.rest()
    assert clock.slept == pytest.approx([SHARE * (SEND_SECONDS + COMMIT_SECONDS)])


def test_what_is_done_meanwhile_counts_as_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(kafka_writer, "Producer", lambda _config: TimedProducer(clock))
    monkeypatch.setattr(kafka_writer, "time", clock)
    writer = TransactionalWriter({"batch.size": 1000})
    writer.write([message(900)], message(900))
    rest = SHARE * (SEND_SECONDS + COMMIT_SECONDS)
    writer.rest(rest / 2)
    clock.now += rest / 4  # reading the next changes
    writer.rest()
    writer.rest()
    writer.rest(rest)
    assert clock.slept == pytest.approx([rest / 2, rest / 4, 0, 0])
