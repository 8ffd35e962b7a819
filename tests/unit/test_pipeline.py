"""The loop, between a source and a sink in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import bson
import pytest

from tests.unit.change_events import change, encoder
from watcher.errors import UndeliverableEvent
from watcher.messages.encoder import Encoder
from watcher.model import Batch, Message, Notice, Owner, Position, ResumeToken
from watcher.mongodb.split_events import event_token
from watcher.stream import pipeline as module
from watcher.stream.pipeline import IDLE_COMMIT_SECONDS, LONGEST_SECONDS, Pipeline

START = Position("dashboard", Owner("9f3c", "host-1", 4711), token={"_data": "8200"}, sequence=0)


def token(number: int) -> dict[str, str]:
    return {"_data": f"82{number:08X}"}


def event(number: int, **fields: Any) -> bytes:
    return bson.encode(change("insert", {"_id": number}, _id=token(number), fullDocument={"_id": number, **fields}))


def batch(*numbers: int, at: int = 0, ended: bool = False) -> Batch:
    return Batch(
        [event(number) for number in numbers],
        token(at or max(numbers, default=0)),
        server_seconds=0,
        ended=ended,
        token_of=event_token,
    )


class Source:
    """Gives its batches one by one; drained once it has been asked for more."""

    def __init__(self, *batches: Batch, notices: Sequence[Notice] = ()) -> None:
        self.batches = [*batches]
        self.notices = notices
        self.opened: list[ResumeToken | None] = []
        self._drained = False

    def open(self, position: Position) -> Batch:
        self.opened.append(position.token)
        return Batch([], position.token or {"_data": "8200"}, 0, notices=self.notices)

    def next(self) -> Batch:
        self._drained = not self.batches
        return self.batches.pop(0) if self.batches else Batch([], START.token or {}, 0)

    def drained(self) -> bool:
        return self._drained


class Sink:
    """Keeps what is delivered, a list per transaction."""

    def __init__(self, largest: int = 1_000_000, transaction_bytes: int = 1_000_000) -> None:
        self.transactions: list[tuple[list[Message], Position]] = []
        self._largest = largest
        self.transaction_bytes = transaction_bytes

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        self.transactions.append(([*messages], position))

    def rest(self, before: float = 0.0) -> None:
        """It's always ready."""

    def limit_of(self, topic: str) -> int:
        return self._largest

    @property
    def sizes(self) -> list[int]:
        return [len(messages) for messages, _ in self.transactions]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [json.loads(message.value) for messages, _ in self.transactions for message in messages]


class Observer:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def streaming(self) -> None:
        self.told.append("streaming")

    def received(self, batch: Batch) -> None:
        self.told.append(f"received {len(batch.events)}")

    def encoded(self, messages: int, size: int) -> None:
        self.told.append(f"encoded {messages}")

    def committed(self, messages: Sequence[Message], position: Position, seconds: float) -> None:
        self.told.append(f"committed {len(messages)}")

    def waited(self, seconds: float) -> None:
        self.told.append("waited")


def run(
    source: Source,
    sink: Sink,
    *,
    position: Position = START,
    observer: Observer | None = None,
    stopping: Callable[[], bool] | None = None,
    on_large_event: str = "dead-letter",
    nudged: Callable[[], bool] = lambda: False,
) -> None:
    pipeline = Pipeline(source, encoder(on_large_event=on_large_event), sink, observer or Observer(), nudged=nudged)
    pipeline.run(position, stopping or source.drained)


def test_messages_are_numbered_on_from_the_position_in_the_order_of_the_events() -> None:
    sink = Sink()
    run(Source(batch(1, 2), batch(3)), sink, position=START.moved(token(0), 41))
    assert [(value["sequence"], value["documentKey"]["_id"]) for value in sink.values] == [(42, 1), (43, 2), (44, 3)]


def test_each_transaction_carries_the_position_after_its_last_message() -> None:
    sink = Sink()
    run(Source(batch(1, 2, at=5), batch(6)), sink)
    assert [(position.token, position.sequence) for _, position in sink.transactions] == [(token(5), 2), (token(6), 3)]


def test_the_first_position_is_committed_before_any_event_is_asked_for() -> None:
    source, sink, observer = Source(batch(1)), Sink(), Observer()
    run(source, sink, position=Position("dashboard", START.owner), observer=observer)
    assert source.opened == [None]
    assert sink.transactions[0] == ([], Position("dashboard", START.owner, {"_data": "8200"}, 0))
    assert observer.told[:6] == ["encoded 0", "committed 0", "streaming", "received 1", "encoded 1", "committed 1"]


def test_a_saved_position_is_not_committed_again() -> None:
    source, sink = Source(), Sink()
    run(source, sink)
    assert source.opened == [START.token]
    assert sink.transactions == []


def test_a_large_batch_is_cut_into_transactions() -> None:
    size = len(encoder().encode(event(1), 1).value)
    sink = Sink(transaction_bytes=2 * size)
    run(Source(batch(1, 2, 3, 4, 5, at=9)), sink)
    assert sink.sizes == [2, 2, 1]
    assert [position.token for _, position in sink.transactions] == [token(2), token(4), token(9)]
    assert [value["sequence"] for value in sink.values] == [1, 2, 3, 4, 5]


def test_a_cut_after_the_last_event_leaves_no_empty_transaction() -> None:
    sink = Sink(transaction_bytes=1)
    run(Source(batch(1, 2, at=9)), sink)
    assert sink.sizes == [1, 1]


def test_stopping_leaves_the_rest_of_a_batch_to_the_next_worker() -> None:
    sink = Sink(transaction_bytes=1)
    run(Source(batch(1, 2, 3)), sink, stopping=lambda: len(sink.transactions) == 2)
    assert [value["documentKey"]["_id"] for value in sink.values] == [1, 2]
    assert sink.transactions[-1][1].token == token(2)


def test_no_transaction_begins_after_a_read_in_which_it_was_told_to_stop() -> None:
    source, sink = Source(batch(1), batch(2)), Sink()
    run(source, sink, stopping=lambda: not source.batches)
    assert [value["documentKey"]["_id"] for value in sink.values] == [1]


def test_nothing_is_read_when_it_is_to_stop_at_once() -> None:
    source, sink = Source(batch(1)), Sink()
    run(source, sink, stopping=lambda: True)
    assert source.batches


def test_an_idle_position_is_saved_every_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    source, sink = Source(*(batch(at=number) for number in range(1, 31))), Sink()

    class Clock(Observer):
        def received(self, batch: Batch) -> None:
            nonlocal now
            now += 1.0

    run(source, sink, observer=Clock())
    expected = [token(n) for n in range(int(IDLE_COMMIT_SECONDS), 31, int(IDLE_COMMIT_SECONDS))]
    assert [position.token for _, position in sink.transactions] == expected
    assert {position.sequence for _, position in sink.transactions} == {0}


def test_an_idle_position_that_has_not_moved_is_saved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB moves it only every 20 s; by the commit a worker on another host notices that a command has taken it over."""
    sink = Sink()
    monkeypatch.setattr(module, "IDLE_COMMIT_SECONDS", 0.0)
    run(Source(), sink)
    assert sink.transactions
    assert all((messages, position) == ([], START) for messages, position in sink.transactions)


def test_a_nudge_saves_the_position_at_once_though_it_has_not_moved() -> None:
    """So a worker that has lost the watcher notices."""
    sink, nudges = Sink(), iter([False, True])
    run(Source(batch(at=0), batch(at=0)), sink, nudged=lambda: next(nudges, False))
    assert [(messages, position) for messages, position in sink.transactions] == [([], START.moved(token(0)))]


def test_a_gap_is_remembered_in_the_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: 1_704_110_400.0)
    sink = Sink()
    run(Source(batch(1), notices=[Notice("gap", 0, {"reason": "lost"})]), sink)
    assert [position.last_gap_at for _, position in sink.transactions] == ["2024-01-01T12:00:00.000Z"] * 2
    sink = Sink()
    run(Source(batch(1), notices=[Notice("rewind", 0, {"reason": "by hand"})]), sink)
    assert [position.last_gap_at for _, position in sink.transactions] == [None] * 2


def test_a_stream_that_the_server_has_closed_is_opened_again_after_its_last_event() -> None:
    source, sink = Source(batch(1, at=2, ended=True), batch(3)), Sink()
    run(source, sink)
    assert source.opened == [START.token, token(2)]
    assert [value["sequence"] for value in sink.values] == [1, 2]


def test_where_a_closed_stream_goes_on_is_committed_even_without_events() -> None:
    source, sink = Source(batch(at=2, ended=True)), Sink()
    run(source, sink)
    assert [position.token for _, position in sink.transactions] == [token(2)]


def test_what_is_too_large_goes_without_its_document_and_is_told_of() -> None:
    sink = Sink(largest=600)
    large = Batch([event(1), event(2, text="x" * 1000), event(3)], token(3), 0, token_of=event_token)
    run(Source(large), sink)
    assert [(value["operationType"], value["sequence"]) for value in sink.values] == [
        ("insert", 1),
        ("insert", 2),
        ("deadLetter", 3),
        ("insert", 4),
    ]
    assert sink.values[1]["truncated"] == ["fullDocument"]
    assert sink.transactions[-1][1].sequence == 4


def test_what_mongodb_left_out_may_still_be_too_much_for_kafka() -> None:
    sink = Sink(largest=600)
    bare = bson.encode(change("update", updateDescription={"updatedFields": {"text": "x" * 1000}}))
    run(Source(Batch([bare], token(2), 0, token_of=event_token, missing=("fullDocument",))), sink)
    assert sink.values[0]["truncated"] == ["fullDocument", "updateDescription"]


def test_a_dead_letter_that_is_too_large_itself_ends_the_worker() -> None:
    sink = Sink(largest=100)
    with pytest.raises(UndeliverableEvent, match="too large") as error:
        run(Source(Batch([event(1)], token(1), 0, token_of=event_token)), sink)
    assert "the key of the document alone" in error.value.hint
    assert sink.values == []


def test_what_is_too_large_ends_the_worker_if_that_is_the_policy() -> None:
    sink = Sink(largest=600)
    with pytest.raises(UndeliverableEvent, match=r"too large for topic database\.insert") as caught:
        run(Source(Batch([event(1), event(2, text="x" * 1000)], token(2), 0, token_of=event_token)), sink, on_large_event="fail")
    assert "max.message.bytes" in caught.value.hint
    assert sink.transactions == []


def test_a_gap_is_told_in_the_transaction_of_the_first_position_after_it() -> None:
    sink = Sink()
    gap = Notice("gap", 0, {"reason": "the oplog had rolled over"})
    run(Source(batch(1), notices=[gap]), sink, position=Position("dashboard", START.owner, token=None, sequence=7))
    assert [(value["operationType"], value["sequence"]) for value in sink.values] == [("gap", 8), ("insert", 9)]
    assert sink.transactions[0][1].sequence == 8
    assert sink.values[0]["reason"] == "the oplog had rolled over"


def test_what_mongodb_gives_without_its_document_is_marked_and_told_of() -> None:
    sink = Sink()
    bare = bson.encode(change("insert", {"_id": 2}, _id=token(2)))
    run(Source(batch(1), Batch([bare], token(2), 0, token_of=event_token, missing=("fullDocument",)), batch(3)), sink)
    assert [(value["operationType"], value["sequence"]) for value in sink.values] == [
        ("insert", 1),
        ("insert", 2),
        ("deadLetter", 3),
        ("insert", 4),
    ]
    assert sink.values[1]["truncated"] == ["fullDocument"]
    assert "fullDocument" not in sink.values[1]
    assert sink.values[2]["about"]["eventId"] == sink.values[1]["eventId"]


def test_what_takes_long_to_make_is_delivered_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a transform that takes 0.3 s for each message: nobody should wait for all of them, or not be asked meanwhile."""
    clock, looks = [100.0], list[float]()
    source, sink, slow = Source(batch(*range(1, 11))), Sink(), encoder(native=False)
    quick = slow.messages_for

    def slowly(*arguments: Any) -> list[Message]:
        clock[0] += 0.3
        return quick(*arguments)

    def stopping() -> bool:
        looks.append(clock[0])
        return source.drained()

    monkeypatch.setattr(slow, "messages_for", slowly)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    Pipeline(source, slow, sink, Observer()).run(START, stopping)
    assert sink.sizes == [4, 4, 2]
    assert [position.token for _, position in sink.transactions] == [token(4), token(8), token(10)]
    assert max(later - earlier for earlier, later in pairwise(looks)) < 2 * LONGEST_SECONDS


class Pressing:
    """An encoder whose message about `_id` 2 is pressing, as the dead letter about a hang. Its `told` says in which order all
    happens; the sink's commits belong there too."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.encoder: Encoder = encoder(native=False)
        self._made, self._delivered = self.encoder.messages_for, self.encoder.pressing_delivered
        self.encoder.messages_for = self.messages_for  # type: ignore[method-assign]  # what the pipeline uses
        self.encoder.pressing_delivered = self.pressing_delivered  # type: ignore[method-assign]  # the same

    def messages_for(self, raw: bytes, *others: Any) -> list[Message]:
        number = bson.decode(raw)["documentKey"]["_id"]
        self.told.append(f"make {number}")
        made = self._made(raw, *others)
        if number == 2:
            self.encoder.pressing = made[-1]
        return made

    def pressing_delivered(self) -> None:
        self.told.append("delivered")
        self._delivered()


class TellingSink(Sink):
    """Tells of its commits, and fails at the one with the number `failing`, from 1 on."""

    def __init__(self, told: list[str], failing: int = 0) -> None:
        super().__init__()
        self._told, self._failing = told, failing

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        if len(self.transactions) + 1 == self._failing:
            raise ConnectionError
        super().deliver(messages, position)
        self._told.append(f"commit {position.sequence}")

    def is_at(self, number: int) -> Callable[[], bool]:
        """Return what tells whether this event is committed. A source in front of which is read ahead is drained too early."""
        return lambda: bool(self.transactions) and self.transactions[-1][1].token == token(number)


def test_what_is_pressing_is_committed_with_all_before_it_before_anything_else_is_made() -> None:
    pressing = Pressing()
    sink = TellingSink(pressing.told)
    backlog = replace(batch(1, 2, 3), more=True)
    Pipeline(Source(backlog, batch(4)), pressing.encoder, sink, Observer()).run(START, sink.is_at(4))
    assert pressing.told[:6] == ["make 1", "make 2", "commit 2", "delivered", "make 3", "commit 3"]
    assert [position.token for _, position in sink.transactions] == [token(2), token(3), token(4)]
    assert pressing.encoder.pressing is None


def test_what_is_in_flight_is_committed_before_what_is_pressing() -> None:
    pressing = Pressing()
    source, sink = Source(replace(batch(1), more=True), replace(batch(2, 3), more=True)), TellingSink(pressing.told)
    Pipeline(source, pressing.encoder, sink, Observer()).run(START, sink.is_at(3))
    kept = [each for each in pressing.told if each != "make 2"]  # made while the first may be in flight
    assert kept == ["make 1", "commit 1", "commit 2", "delivered", "make 3", "commit 3"]


def test_what_is_pressing_is_not_done_if_its_delivery_fails() -> None:
    pressing = Pressing()
    source = Source(replace(batch(1, 2, 3), more=True))
    with pytest.raises(ConnectionError):
        Pipeline(source, pressing.encoder, TellingSink(pressing.told, failing=1), Observer()).run(START, lambda: False)
    assert pressing.told == ["make 1", "make 2"]
    assert pressing.encoder.pressing


def test_what_is_pressing_waits_for_the_next_worker_if_this_one_is_to_stop_first() -> None:
    pressing = Pressing()
    source, sink = Source(batch(1, 2, 3)), TellingSink(pressing.told)
    Pipeline(source, pressing.encoder, sink, Observer()).run(START, lambda: "make 2" in pressing.told)
    assert pressing.told == ["make 1", "make 2"]
    assert sink.transactions == []


def test_what_is_pressing_about_an_event_without_its_document_is_committed_first_too() -> None:
    pressing = Pressing()
    bare = Batch([event(2)], token(2), 0, token_of=event_token, missing=("fullDocument",), more=True)
    source, sink = Source(bare, batch(3)), TellingSink(pressing.told)
    # The last of the two messages is pressing; the row before it goes along.
    Pipeline(source, pressing.encoder, sink, Observer()).run(START, sink.is_at(3))
    assert pressing.told == ["make 2", "commit 2", "delivered", "make 3", "commit 3"]
