"""The pipeline while it catches up: both its ends work in threads, and what comes out is the same."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.waiting import eventually
from tests.unit.change_events import change, encoder
from watcher.errors import Outage, UndeliverableEvent
from watcher.model import Batch, Message, Owner, Position
from watcher.mongodb.split_events import event_token
from watcher.stream import overlap
from watcher.stream.overlap import SWITCH_SECONDS, take_short_turns
from watcher.stream.pipeline import Pipeline

START = Position("dashboard", Owner("9f3c", "host-1", 4711), token={"_data": "8200000000"}, sequence=0)
TIMEOUT_S = 20.0

MONGODB_AWAY = Outage("MongoDB is away", component="mongodb")
KAFKA_AWAY = Outage("Kafka is away", component="kafka")


def token(number: int) -> dict[str, str]:
    return {"_data": f"82{number:08X}"}


def backlog(*numbers: int, more: bool = True) -> Batch:
    events = [bson.encode(change("insert", {"_id": n}, _id=token(n), fullDocument={"_id": n})) for n in numbers]
    return Batch(events, token(numbers[-1]) if numbers else token(0), server_seconds=0, more=more, token_of=event_token)


class Gate:
    """Point where a thread is held until it's opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        self.reached.set()
        assert self._open.wait(TIMEOUT_S)


class AlwaysOne:
    """Fails when two threads are in it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        assert self._lock.acquire(blocking=False)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Source:
    """Gives batches, raises errors and waits at gates, in the order given; then it has nothing."""

    def __init__(self, *script: Batch | BaseException | Gate) -> None:
        self.script = [*script]
        self.drained = False
        """Return True if it was asked once more after it had nothing: all before was taken from it then."""
        self._empty = False
        self.threads: set[str] = set()
        self._alone = AlwaysOne()

    def open(self, position: Position) -> Batch:
        return Batch([], position.token or {}, 0)

    def next(self) -> Batch:
        with self._alone:
            self.threads.add(threading.current_thread().name)
            while self.script:
                item = self.script.pop(0)
                if isinstance(item, Batch):
                    return item
                if isinstance(item, BaseException):
                    raise item
                item.pass_through()
            self.drained, self._empty = self._empty, True
            return Batch([], START.token or {}, 0)


class Sink:
    """Keeps what is delivered; before transaction number n it may wait at a gate or raise an error."""

    def __init__(self, before: dict[int, BaseException | Gate] | None = None, transaction_bytes: int = 1_000_000) -> None:
        self.transaction_bytes = transaction_bytes
        self.transactions: list[tuple[list[Message], Position]] = []
        self.begun = 0
        self.rests: list[int] = []
        self.partial_rests: list[float] = []
        self._before = before or {}
        self._alone = AlwaysOne()

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        with self._alone:
            self.begun += 1
            hindrance = self._before.get(self.begun)
            if isinstance(hindrance, Gate):
                hindrance.pass_through()
            elif hindrance:
                raise hindrance
            self.transactions.append(([*messages], position))

    def rest(self, before: float | None = None) -> None:
        with self._alone:
            if before is None:
                self.rests.append(self.begun)
            else:
                self.partial_rests.append(before)

    def limit_of(self, topic: str) -> int:
        return 1_000_000

    @property
    def delivered(self) -> list[int]:
        values = [json.loads(message.value) for messages, _ in self.transactions for message in messages]
        assert [value["sequence"] for value in values] == list(range(1, len(values) + 1))
        return [value["documentKey"]["_id"] for value in values]


class Observer:
    def __init__(self) -> None:
        self.queued = 0
        self.waits: list[float] = []

    def streaming(self) -> None: ...

    def received(self, batch: Batch) -> None: ...

    def encoded(self, messages: int, size: int) -> None:
        self.queued += messages

    def committed(self, messages: Sequence[Message], position: Position, seconds: float) -> None:
        self.queued -= len(messages)

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)


class Run:
    """The pipeline in a thread of its own, until its source is drained or it's told to stop."""

    def __init__(self, source: Source, sink: Sink) -> None:
        self.observer = Observer()
        self.stopping = False
        self.error: BaseException | None = None
        self._source = source
        self._pipeline = Pipeline(source, encoder(on_large_event="fail"), sink, self.observer)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ended(self) -> BaseException | None:
        """The error with which it ended."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        names = {thread.name.rpartition("_")[0] for thread in threading.enumerate()}
        assert not names & {"read-ahead", "write-behind"}
        return self.error

    def _run(self) -> None:
        try:
            self._pipeline.run(START, lambda: self.stopping or self._source.drained)
        except BaseException as error:  # noqa: BLE001  # for the test's thread
            self.error = error


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12), transaction_bytes=st.sampled_from([1, 700, 10_000])
)
def test_whatever_is_overlapped_comes_in_order_each_position_with_its_messages(
    sizes: list[tuple[int, bool]], transaction_bytes: int
) -> None:
    batches, number = [], 0
    for size, more in sizes:
        batches.append(backlog(*range(number + 1, number + size + 1), more=more))
        number += size
    sink = Sink(transaction_bytes=transaction_bytes)
    run = Run(Source(*batches), sink)
    assert run.ended() is None
    assert sink.delivered == list(range(1, number + 1))
    for messages, position in sink.transactions:
        last = json.loads(messages[-1].value)
        assert (position.sequence, position.token) == (last["sequence"], {"_data": last["eventId"]})
    assert run.observer.queued == 0
    assert sink.rests == list(range(len(sink.transactions))), "each transaction begins after a rest"


def test_a_stream_that_has_caught_up_is_read_so_early_that_the_changes_are_there_when_the_rest_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    class SlowSource(Source):
        """Takes 8, 3 and 5 ms."""

        def next(self) -> Batch:
            nonlocal now
            now += seconds.pop(0) if seconds else 0.0
            return super().next()

    seconds = [0.008, 0.003, 0.005]
    monkeypatch.setattr(overlap, "time", SimpleNamespace(monotonic=lambda: now))
    source, sink = SlowSource(*(backlog(number, more=False) for number in (1, 2, 3))), Sink()
    run = Run(source, sink)
    assert run.ended() is None
    assert sink.delivered == [1, 2, 3]
    assert sink.partial_rests[:4] == pytest.approx([0.0, 0.008, 0.003, 0.003])


def test_the_next_batch_is_read_and_the_last_one_committed_while_one_is_encoded() -> None:
    reading, committing = Gate(), Gate()
    source, sink = Source(backlog(1), backlog(2), reading, backlog(3)), Sink({1: committing})
    run = Run(source, sink)
    assert committing.reached.wait(TIMEOUT_S)
    assert reading.reached.wait(TIMEOUT_S)
    committing.open()
    eventually(lambda: sink.delivered == [1, 2])
    reading.open()
    assert run.ended() is None
    assert sink.delivered == [1, 2, 3]


def test_only_one_batch_is_ahead_and_one_transaction_under_way() -> None:
    """Whatever MongoDB has: memory holds what these are, and no more."""
    committing = Gate()
    source, sink = Source(*(backlog(number) for number in range(1, 9))), Sink({1: committing})
    run = Run(source, sink)
    assert committing.reached.wait(TIMEOUT_S)
    eventually(lambda: len(source.script) == 5)  # one under way, one encoded, one ahead
    assert not eventually_false(lambda: len(source.script) < 5)
    assert run.observer.queued == 2
    committing.open()
    assert run.ended() is None
    assert sink.delivered == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(run.observer.waits) == 8


def eventually_false(predicate: Any, seconds: float = 0.2) -> bool:
    """Return True if the predicate becomes true after all, within that time."""
    return threading.Event().wait(seconds) or predicate()


def test_a_stream_that_has_caught_up_needs_no_threads() -> None:
    source, sink = Source(backlog(1, more=False), backlog(2, more=False)), Sink()
    run = Run(source, sink)
    assert run.ended() is None
    assert sink.delivered == [1, 2]
    assert not any(name.startswith("read-ahead") for name in source.threads)


def test_what_fails_ahead_is_raised_when_all_before_it_is_delivered() -> None:
    committing = Gate()
    source, sink = Source(backlog(1), backlog(2), MONGODB_AWAY), Sink({1: committing})
    run = Run(source, sink)
    assert committing.reached.wait(TIMEOUT_S)
    eventually(lambda: not source.script)
    committing.open()
    assert run.ended() is MONGODB_AWAY
    assert sink.delivered == [1, 2]


def test_after_a_transaction_that_failed_nothing_is_delivered() -> None:
    source, sink = Source(*(backlog(number) for number in range(1, 6))), Sink({2: KAFKA_AWAY})
    run = Run(source, sink)
    assert run.ended() is KAFKA_AWAY
    assert (sink.delivered, sink.begun) == ([1], 2)


def test_the_pipeline_ends_when_the_source_is_out_of_use() -> None:
    """The worker closes the connection then, and opens another."""
    reading, committing = Gate(), Gate()
    source, sink = Source(backlog(1), backlog(2), reading, backlog(3)), Sink({1: committing, 2: KAFKA_AWAY})
    run = Run(source, sink)
    committing.open()
    assert reading.reached.wait(TIMEOUT_S)
    eventually(lambda: sink.begun == 2)
    assert run.error is None
    reading.open()
    assert run.ended() is KAFKA_AWAY
    assert sink.delivered == [1]


def test_of_two_errors_the_first_in_the_order_of_the_changes_is_raised() -> None:
    committing = Gate()
    unreadable = replace(backlog(2), events=[b"\x05\x00\x00\x00\x00"])
    sink = Sink({1: committing, 2: KAFKA_AWAY})
    run = Run(Source(backlog(1), unreadable), sink)
    committing.open()
    assert isinstance(run.ended(), UndeliverableEvent)
    assert sink.delivered == [1]
    assert Run(Source(backlog(1), unreadable), Sink({1: KAFKA_AWAY})).ended() is KAFKA_AWAY
    assert Run(Source(backlog(1), MONGODB_AWAY), Sink({1: KAFKA_AWAY})).ended() is KAFKA_AWAY


def test_stopping_waits_for_the_transaction_under_way_and_begins_no_other() -> None:
    committing = Gate()
    source, sink = Source(*(backlog(number) for number in range(1, 6))), Sink({1: committing})
    run = Run(source, sink)
    assert committing.reached.wait(TIMEOUT_S)
    run.stopping = True
    committing.open()
    assert run.ended() is None
    assert sink.delivered in ([1], [1, 2])  # the second may have been waiting for its turn already


def test_stopping_while_a_batch_is_read_ahead_drops_it() -> None:
    reading = Gate()
    source, sink = Source(backlog(1), reading, backlog(2)), Sink()
    run = Run(source, sink)
    assert reading.reached.wait(TIMEOUT_S)
    eventually(lambda: sink.delivered == [1])
    run.stopping = True
    reading.open()
    assert run.ended() is None
    assert sink.delivered == [1]


def test_threads_take_short_turns() -> None:
    before = sys.getswitchinterval()
    try:
        take_short_turns()
        assert sys.getswitchinterval() == SWITCH_SECONDS < before
    finally:
        sys.setswitchinterval(before)
