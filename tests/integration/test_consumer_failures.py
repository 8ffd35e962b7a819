"""Messages that cannot be handled, and handlers that fail, hang or exit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as ConsumedRecord

from tests.support.consuming import Running, Writer, collected, make_consumer
from tests.support.records import Record, read_topics
from tests.support.waiting import eventually
from watcher.consumer import (
    Change,
    ConsumerOptions,
    DatabaseChangeConsumer,
    DeadLetterFailed,
    ForeignMessage,
    Gap,
    HandlerFailed,
    Reject,
)
from watcher.consumer.delivery.dead_letters import DeadLetters
from watcher.errors import ConfigurationError
from watcher.sandbox.kafka import ApacheKafka, Broker

QUICK = {"backoff_ms": 1, "attempts": 3}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def writer(kafka: Broker, prefix: str) -> Writer:
    """One topic with one partition, so that what comes first is handled first."""
    return Writer(kafka.bootstrap, prefix, partitions=1, topic=f"{prefix}.changes")


def dead_letters(kafka: Broker, prefix: str, wanted: int = 1) -> list[Record]:
    records: list[Record] = []

    def read() -> bool:
        try:
            records[:] = read_topics(kafka.bootstrap, [f"{prefix}.dead-letter"])
        except KafkaException as error:  # it was made a moment ago, and has no leader yet
            raise AssertionError from error
        return len(records) >= wanted

    eventually(read)
    return records


def ran(consumer: DatabaseChangeConsumer, is_done: Callable[[], bool]) -> BaseException | None:
    """Run until it is done, or has ended by itself; what it raised."""
    with Running(consumer) as running:
        eventually(lambda: is_done() or running.has_ended(), 40)
    return running.error


def keys_up_to(last: int, kafka: Broker, group: str, writer: Writer) -> list[int]:
    """The keys that a consumer of this group hands out, up to the last one, however many come again before it."""
    keys: list[int] = []
    consumer = make_consumer(kafka.bootstrap, group, writer.topics)
    consumer.on("*")(lambda change: keys.append(change.key))
    assert ran(consumer, lambda: last in keys) is None
    return keys


def headers_of(kafka: Broker, prefix: str) -> dict[str, str]:
    """The headers of the first dead letter."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "tests"})
    try:
        consumer.assign([TopicPartition(f"{prefix}.dead-letter", 0, 0)])
        (record,) = eventually(lambda: consumer.consume(1, 1.0))
        return {name: (value or b"").decode() for name, value in record.headers() or []}
    finally:
        consumer.close()


def test_a_handler_that_fails_for_a_while(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", 1), writer.message("insert", 2)])
    calls: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, ConsumerOptions(**QUICK))

    @consumer.on("users")
    def handle(change: Change) -> None:
        calls.append(change.sequence)
        if len(calls) < 3:
            raise OSError("the database is away")

    assert ran(consumer, lambda: len(calls) == 4) is None
    assert calls == [1, 1, 1, 2]
    assert (consumer.counts.handled, consumer.counts.dead_lettered) == (2, 0)


def test_a_handler_that_always_fails_with_one_message(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", key) for key in (1, 2, 3)])
    handled: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, ConsumerOptions(**QUICK))

    @consumer.on("users")
    def handle(change: Change) -> None:
        if change.key == 2:
            raise ZeroDivisionError("no such practitioner")
        handled.append(change.key)

    assert ran(consumer, lambda: len(handled) == 2) is None
    assert (handled, consumer.counts.dead_lettered) == ([1, 3], 1)
    (letter,) = dead_letters(kafka, prefix)
    (original,) = [record for record in read_topics(kafka.bootstrap, writer.topics) if record.json["sequence"] == 2]
    assert (letter.key, letter.value) == (original.key, original.value)
    headers = headers_of(kafka, prefix)
    assert (headers["topic"], headers["partition"], headers["offset"]) == (original.topic, "0", str(original.offset))
    assert "no such practitioner" in headers["reason"]
    assert "in handle" in headers["traceback"]


def test_a_handler_that_fails_may_also_stop_the_consumer(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", key) for key in (1, 2, 3)])
    options = ConsumerOptions(**QUICK, on_error="stop")
    handled: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, options)

    @consumer.on("users")
    def handle(change: Change) -> None:
        if change.key == 2:
            raise ZeroDivisionError
        handled.append(change.key)

    error = ran(consumer, lambda: False)
    assert isinstance(error, HandlerFailed)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert handled == [1]
    assert [change.key for change in collected(kafka.bootstrap, prefix, writer.topics, 2)] == [2, 3]


def test_one_bad_message_does_not_spoil_its_batch(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", key) for key in range(10)])
    handled: list[int] = []
    sizes: list[int] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, ConsumerOptions(**QUICK))

    @consumer.on_batch("users", size=5, wait_ms=20_000)
    def handle(changes: list[Change]) -> None:
        sizes.append(len(changes))
        if any(change.key == 7 for change in changes):
            raise Reject("seven is a bad number")
        handled.extend(change.key for change in changes)

    assert ran(consumer, lambda: len(handled) == 9) is None
    assert handled == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert sizes == [5, 5, 1, 1, 1, 1, 1]
    assert [letter.json["documentKey"]["_id"] for letter in dead_letters(kafka, prefix)] == [7]


def alike(**fields: Any) -> bytes:
    """Nearly a watcher's message."""
    standard = {"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": 1}}
    return json.dumps({**standard, "timestamp": "2024-01-01T12:00:00.000Z", "watcher": "w", "sequence": 1, **fields}).encode()


FOREIGN = {
    "not JSON": b"{not json",
    "not text": b"\xff\xfe",
    "not an object": b"[1, 2]",
    "not a watcher's": b'{"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": 1}}',
    "a database that is a number": alike(database=7),
    "a collection that is a list": alike(collection=["users"]),
    "a key that is none": alike(documentKey=[1]),
    "a gap without a time": alike(operationType="gap", timestamp=None),
    "a gap at no time": alike(operationType="gap", timestamp="yesterday"),
}
"""Each would end `run` at every start if it came as far as the handlers."""


@pytest.mark.parametrize("value", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_no_watcher_has_written_goes_to_the_dead_letters(kafka: Broker, prefix: str, writer: Writer, value: bytes) -> None:
    writer.write_raw(writer.topics[0], value)
    writer.write([writer.message("insert", 1)])
    assert [change.key for change in collected(kafka.bootstrap, prefix, writer.topics, 1)] == [1]
    (letter,) = dead_letters(kafka, prefix)
    assert (letter.key, letter.value) == (b"raw", value)


def test_what_no_watcher_has_written_may_be_skipped_or_stop(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write_raw(writer.topics[0], b"hello")
    writer.write_raw(writer.topics[0], None)
    writer.write([writer.message("insert", 1)])
    skipping = ConsumerOptions(on_foreign="skip")
    assert [change.key for change in collected(kafka.bootstrap, f"{prefix}-a", writer.topics, 1, skipping)] == [1]
    with pytest.raises(ForeignMessage, match="offset 0: not JSON"):
        collected(kafka.bootstrap, f"{prefix}-b", writer.topics, 1, ConsumerOptions(on_foreign="stop"))
    assert read_topics(kafka.bootstrap, [f"{prefix}-a.dead-letter", f"{prefix}-b.dead-letter"]) == []


def test_what_nobody_takes_and_what_came_after_this_release(kafka: Broker, prefix: str, writer: Writer) -> None:
    messages = [
        writer.message("insert", 1, collection="unknown"),
        writer.message("modifyCollection", collection="users"),
        writer.message("insert", 2, aFieldOfALaterVersion={"a": 1}),
    ]
    writer.write(messages)
    users: list[Change] = []
    others: list[Change] = []
    consumer = make_consumer(kafka.bootstrap, f"{prefix}-a", writer.topics)
    consumer.on("users")(users.append)
    assert ran(consumer, lambda: len(users) == 1) is None
    assert (users[0].message["aFieldOfALaterVersion"], consumer.counts.unrouted) == ({"a": 1}, 2)
    consumer = make_consumer(kafka.bootstrap, f"{prefix}-b", writer.topics)
    consumer.on("users")(users.append)
    consumer.on_other(others.append)
    assert ran(consumer, lambda: len(users) == 2) is None
    assert [(other.operation, other.collection) for other in others] == [("insert", "unknown"), ("modifyCollection", "users")]


def test_a_gap_is_told(kafka: Broker, prefix: str, writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    message = writer.message("gap", reason="MongoDB no longer has them.", lastEventId="e1")
    del message["collection"]
    writer.write([message])
    gaps: list[Gap] = []
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics)
    consumer.on_gap(gaps.append)
    assert ran(consumer, lambda: bool(gaps)) is None
    assert (gaps[0].last_event_id, gaps[0].reason) == ("e1", "MongoDB no longer has them.")
    assert "changes are missing" in caplog.text


def test_a_message_too_large_for_the_dead_letters_leaves_its_value_behind(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", 1, text="x" * 999_000)])
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, ConsumerOptions(attempts=1))

    @consumer.on("users")
    def handle(_: Change) -> None:
        raise ValueError("é" * 1000)

    assert ran(consumer, lambda: consumer.counts.dead_lettered == 1) is None
    (letter,) = dead_letters(kafka, prefix)
    assert letter.value is None
    assert headers_of(kafka, prefix)["valueLeftOut"]


def test_a_reason_without_end_is_cut(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", 1)])
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, ConsumerOptions(attempts=1))

    @consumer.on("users")
    def handle(_: Change) -> None:
        raise ValueError("é" * 2_000_000)

    assert ran(consumer, lambda: consumer.counts.dead_lettered == 1) is None
    (letter,) = dead_letters(kafka, prefix)
    assert letter.json["sequence"] == 1
    assert headers_of(kafka, prefix)["reason"].startswith("ValueError('é")


def test_a_consumer_of_a_pattern_does_not_read_its_own_dead_letters(kafka: Broker, prefix: str, writer: Writer) -> None:
    """Each would become the next one, for ever."""
    writer.write_raw(writer.topics[0], b"not JSON")
    handled: list[Change] = []
    consumer = make_consumer(kafka.bootstrap, prefix, [f"^{prefix}\\..*"])
    consumer.on("*")(handled.append)
    with Running(consumer):
        dead_letters(kafka, prefix)
        later = Writer(kafka.bootstrap, f"{prefix}.later")  # when these are read, the dead letters would have been found too
        later.write([later.message("insert", 1)])
        eventually(lambda: handled, 40)
    assert len(dead_letters(kafka, prefix)) == consumer.counts.foreign == 1


def test_dead_letters_for_a_kafka_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.consumer.delivery.dead_letters.CREATION_SECONDS", 0.5)
    monkeypatch.setattr("watcher.consumer.delivery.dead_letters.DELIVERY_SECONDS", 1.0)
    letters = DeadLetters("dead", {"bootstrap.servers": "127.0.0.1:1"}, "g")
    with pytest.raises(DeadLetterFailed, match="dead"):
        letters.send(ConsumedRecord(topic="t", partition=0, offset=1, key=b"k", value=b"v"), "why")


PROGRAM = """
import logging, os, signal, sys, threading, time
from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer
class Hears(logging.Handler):
    def emit(self, record):
        "has not returned for" in record.getMessage() and reported.set()


reported = threading.Event()
logging.basicConfig(level=logging.INFO)
logging.getLogger().addHandler(Hears())
consumer = DatabaseChangeConsumer({bootstrap!r}, {group!r}, {topics!r}, options=ConsumerOptions({options}))
@consumer.on("users")
def handle(change: Change) -> None:
    print(change.key, flush=True)
    if change.key == 2:
        {action}
        print("finished", flush=True)
consumer.run()
print("returned", flush=True)
"""


class Service:
    """A consumer in a process of its own; with the message whose key is 2 it does something bad."""

    def __init__(self, bootstrap: str, group: str, topics: list[str], action: str, options: str = "") -> None:
        program = PROGRAM.format(bootstrap=bootstrap, group=group, topics=topics, action=action, options=options)
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )

    def ended(self) -> tuple[int, list[str], str]:
        """Exit code, what it has printed, what it has logged."""
        try:
            output, log = self.process.communicate(timeout=60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.communicate()
        return self.process.returncode, output.split(), log


@pytest.mark.parametrize(
    ("action", "code"), [("sys.exit(3)", 3), ("os._exit(4)", 4), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)]
)
def test_a_handler_that_exits(kafka: Broker, prefix: str, writer: Writer, action: str, code: int) -> None:
    """Its message comes again; after sys.exit() those before it don't."""
    writer.write([writer.message("insert", key) for key in (1, 2, 3)])
    returncode, output, _ = Service(kafka.bootstrap, prefix, writer.topics, action).ended()
    assert (returncode, output) == (code, ["1", "2"])
    again = keys_up_to(3, kafka, prefix, writer)
    assert again[-2:] == [2, 3]
    if code == 3:
        assert again == [2, 3]


def test_a_handler_that_hangs_is_reported(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", key) for key in (1, 2, 3)])
    service = Service(kafka.bootstrap, prefix, writer.topics, "reported.wait(30); consumer.stop()", "hang_after_ms=500")
    returncode, output, log = service.ended()
    assert (returncode, output) == (0, ["1", "2", "finished", "returned"])
    assert "has not returned for" in log
    assert "in handle" in log, "where it hangs"


def test_a_handler_that_hangs_may_end_the_process(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", key) for key in (1, 2, 3)])
    options = 'hang_after_ms=500, on_hang="exit"'
    returncode, output, log = Service(kafka.bootstrap, prefix, writer.topics, "time.sleep(600)", options).ended()
    assert (returncode, output) == (70, ["1", "2"])
    assert "has not returned for" in log
    assert keys_up_to(3, kafka, prefix, writer)[-2:] == [2, 3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_message_in_hand_be_finished(kafka: Broker, prefix: str, writer: Writer, number: signal.Signals) -> None:
    writer.write([writer.message("insert", key) for key in (1, 2, 3)])
    service = Service(kafka.bootstrap, prefix, writer.topics, f"os.kill(os.getpid(), {int(number)}); time.sleep(0.3)")
    returncode, output, _ = service.ended()
    assert (returncode, output) == (0, ["1", "2", "finished", "returned"])
    assert [change.key for change in collected(kafka.bootstrap, prefix, writer.topics, 1)] == [3]


def test_a_second_signal_does_what_it_always_does(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", 2)])
    twice = "[os.kill(os.getpid(), signal.SIGTERM) for _ in range(2)]; time.sleep(60)"
    returncode, output, _ = Service(kafka.bootstrap, prefix, writer.topics, twice).ended()
    assert (returncode, output) == (-signal.SIGTERM, ["2"])


def test_stopping_does_not_wait_for_further_attempts(kafka: Broker, prefix: str, writer: Writer) -> None:
    writer.write([writer.message("insert", 1)])
    calls: list[int] = []
    options = ConsumerOptions(attempts=None, backoff_ms=60_000, longest_backoff_ms=60_000)
    consumer = make_consumer(kafka.bootstrap, prefix, writer.topics, options)

    @consumer.on("users")
    def handle(change: Change) -> None:
        calls.append(change.sequence)
        raise OSError

    assert ran(consumer, lambda: bool(calls)) is None
    assert calls == [1]
    assert [change.key for change in collected(kafka.bootstrap, prefix, writer.topics, 1)] == [1]


def test_a_property_that_librdkafka_refuses(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=r"fetch\.min\.bytes") as failure:
        make_consumer("127.0.0.1:1", prefix, ["t"], **{"fetch.min.bytes": "many"}).run()
    assert "the argument kafka" in failure.value.hint


def test_dead_letters_that_cannot_be_written(apache: ApacheKafka, prefix: str, writer: Writer) -> None:
    """Apache Kafka refuses a topic whose name differs from that of another in `.` and `_` alone."""
    writer.write([writer.message("insert", 1)])
    taken = Writer(apache.bootstrap, prefix, topic=f"{prefix}.dead.letter").topics[0]
    options = ConsumerOptions(attempts=1, dead_letter_topic=taken.replace(".", "_"))
    consumer = make_consumer(apache.bootstrap, prefix, writer.topics, options)

    @consumer.on("users")
    def handle(_: Change) -> None:
        raise OSError

    error = ran(consumer, lambda: False)
    assert isinstance(error, DeadLetterFailed)
    assert "dead_letter_topic" in error.hint
    assert [change.key for change in collected(apache.bootstrap, prefix, writer.topics, 1)] == [1]
