"""The dispatcher when partitions go while a handler is tried again, and when messages come twice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from confluent_kafka import Message as Record

from watcher.consumer.change import Change, read
from watcher.consumer.delivered import Partition
from watcher.consumer.delivery.attempts import Attempts, Stopped
from watcher.consumer.delivery.dead_letters import DeadLetters
from watcher.consumer.delivery.dispatcher import Dispatcher
from watcher.consumer.delivery.watchdog import Watchdog
from watcher.consumer.errors import Reject
from watcher.consumer.offsets.handled import Offsets
from watcher.consumer.options import ConsumerOptions
from watcher.consumer.registration.routes import Route, Routes
from watcher.operations import TOMBSTONE

FIRST, SECOND = ("t", 0), ("t", 1)


class Harness:
    """A dispatcher of which two partitions are read. `during_wait` happens while a handler waits for its next attempt."""

    def __init__(self, *routes: Route) -> None:
        self.during_wait: Callable[[], None] = lambda: None
        self.offsets = Offsets()
        self.offsets.assign([FIRST, SECOND])
        known = Routes()
        for route in routes:
            known.add(route)
        options = ConsumerOptions(backoff_ms=0)
        attempts = Attempts(options, Watchdog(None, exits=False), lambda _: self.during_wait(), self.offsets.ours)
        self.dispatcher = Dispatcher(known, options, self.offsets, DeadLetters("dead", {}, "g"), attempts)

    def take(self, collection: str | None, sequence: int, partition: Partition = FIRST, offset: int | None = None) -> None:
        """A message is read, and its turn comes."""
        at = sequence if offset is None else offset
        self.offsets.taken(partition, at)
        self.dispatcher.take(message(collection, sequence, partition, at))

    def revoke(self, partition: Partition) -> None:
        """As a session does it."""
        self.offsets.revoke([partition])
        self.dispatcher.revoke([partition])


def message(collection: str | None, sequence: int, partition: Partition, offset: int) -> Change:
    fields = {"collection": collection, "documentKey": {"_id": sequence}} if collection else {}
    operation = "insert" if collection else "drop"
    value = {"operationType": operation, "database": "d", **fields, "timestamp": "2024-01-01T12:00:00.000Z", "watcher": "w"}
    text = json.dumps({**value, "sequence": sequence, "eventId": f"e{sequence}"}).encode()
    return read(Record(topic=partition[0], partition=partition[1], offset=offset, key=b"k", value=text), partition)


class Handler:
    """Remembers what it got; its first calls fail, as many as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.got: list[list[int]] = []
        self._failures = failures

    def __call__(self, changes: list[Change]) -> None:
        self._failures -= 1
        if self._failures >= 0:
            raise OSError("away")
        self.got.append([change.sequence for change in changes])


def batches_of(handler: Handler, collection: str, size: int = 10) -> Route:
    return Route(handler, collection, batch_size=size)


def test_a_batch_that_is_revoked_while_another_is_tried_again_is_left_out() -> None:
    users, orders = Handler(failures=1), Handler()
    harness = Harness(batches_of(users, "users"), batches_of(orders, "orders"))
    harness.take("users", 1, FIRST)
    harness.take("orders", 2, SECOND)
    harness.during_wait = lambda: harness.revoke(SECOND)
    harness.dispatcher.flush_due()
    assert (users.got, orders.got) == ([[1]], [])


@pytest.mark.parametrize("batched", [True, False])
def test_a_message_that_is_revoked_while_a_batch_before_it_is_tried_again_is_not_handled(batched: bool) -> None:
    users, rest = Handler(failures=1), Handler()
    harness = Harness(batches_of(users, "users"), Route(rest, batch_size=1 if batched else 0))
    harness.take("users", 1, FIRST)
    harness.during_wait = lambda: harness.revoke(SECOND)
    harness.take(None, 2, SECOND)
    assert (users.got, rest.got, harness.dispatcher.counts.handled) == ([[1]], [], 1)


def test_a_message_that_comes_again_while_it_waits_in_a_batch_is_recognised() -> None:
    handler = Handler()
    harness = Harness(batches_of(handler, "users", size=3))
    for offset, sequence in enumerate([1, 2, 1, 2, 3]):
        harness.take("users", sequence, offset=offset)
    assert (handler.got, harness.dispatcher.counts.repeated) == ([[1, 2, 3]], 2)
    assert harness.offsets.to_commit() == {FIRST: 5}


def test_the_first_of_two_keeps_the_offset_of_the_second_open() -> None:
    handler = Handler()
    harness = Harness(batches_of(handler, "users"))
    harness.take("users", 1, offset=0)
    harness.take("users", 1, offset=1)
    assert harness.offsets.to_commit() == {FIRST: 0}


def test_a_message_that_was_revoked_from_a_batch_is_no_repetition_when_it_comes_back() -> None:
    handler = Handler()
    harness = Harness(batches_of(handler, "users", size=2))
    harness.take("users", 1)
    harness.revoke(FIRST)
    harness.offsets.assign([FIRST])
    harness.take("users", 1)
    harness.take("users", 2)
    assert (handler.got, harness.dispatcher.counts.repeated) == ([[1, 2]], 0)


def test_a_message_that_was_revoked_while_its_batch_was_tried_again_is_no_repetition_either() -> None:
    handler = Handler(failures=1)
    harness = Harness(batches_of(handler, "users", size=2))
    harness.during_wait = lambda: harness.revoke(SECOND)
    harness.take("users", 1, FIRST)
    harness.take("users", 2, SECOND)
    harness.offsets.assign([SECOND])
    harness.take("users", 2, SECOND)
    harness.take("users", 3, FIRST)
    assert (handler.got, harness.dispatcher.counts.repeated) == ([[1], [2, 3]], 0)


def as_document(operation: str, sequence: int, value: bytes | None) -> Change:
    """A message of the envelope `document`, and what debezium's adds to a delete."""
    told = {"name": "w", "sequence": str(sequence), "eventId": f"e{sequence}", "operation": operation}
    headers = [(f"watcher.{name}", text.encode()) for name, text in told.items()]
    return read(Record(topic="d.users", partition=0, offset=sequence, key=b'"k"', value=value, headers=headers), FIRST)


def test_handlers_get_a_delete_once_however_many_records_tell_of_it() -> None:
    got: list[tuple[str, str | None, object]] = []
    harness = Harness(Route(lambda changes: got.extend((each.operation, each.collection, each.full_document) for each in changes)))
    records = [("insert", b'{"_id":"k"}'), ("update", None), ("delete", None), (TOMBSTONE, None)]
    for sequence, (operation, value) in enumerate(records, start=1):
        harness.offsets.taken(FIRST, sequence)
        harness.dispatcher.take(as_document(operation, sequence, value))
    assert got == [("insert", "users", {"_id": "k"}), ("update", "users", None), ("delete", "users", None)]
    assert harness.offsets.to_commit() == {FIRST: 5}


def control(operation: str, sequence: int, offset: int, **fields: str) -> Change:
    """A message of the watcher's own, which has no event id."""
    value = {"operationType": operation, "database": "d", "timestamp": "2024-01-01T12:00:00.000Z", "watcher": "w", **fields}
    text = json.dumps({**value, "sequence": sequence}).encode()
    return read(Record(topic="t", partition=0, offset=offset, key=None, value=text), FIRST)


@pytest.mark.parametrize("size", [0, 2], ids=["alone", "in a batch"])
def test_a_new_count_that_begins_with_control_messages_is_no_repetition(size: int) -> None:
    """A watcher whose position was deleted counts from 1 again, and begins with another snapshot, or tells of another gap."""
    got: list[Change] = []
    harness = Harness(Route(got.extend, operations=("*",), batch_size=size))
    messages = [
        control("snapshotStarted", 1, 0, snapshot="snap-1"),
        control("snapshotStarted", 1, 1, snapshot="snap-2"),
        control("gap", 1, 2, reason="lost"),
        control("gap", 1, 3, reason="lost again", timestamp="2024-01-01T13:00:00.000Z"),
        control("gap", 1, 4, reason="lost again", timestamp="2024-01-01T13:00:00.000Z"),  # this one comes again
    ]
    for each in messages:
        harness.offsets.taken(FIRST, each.offset)
        harness.dispatcher.take(each)
    assert (got, harness.dispatcher.counts.repeated) == (messages[:4], 1)
    assert harness.offsets.to_commit() == {FIRST: 5}


def test_a_gap_comes_after_what_its_own_handler_has_collected() -> None:
    got: list[list[str]] = []
    everything = Route(lambda changes: got.append([change.operation for change in changes]), operations=("*",), batch_size=10)
    harness = Harness(everything)
    harness.take("users", 1)
    harness.offsets.taken(FIRST, 2)
    last = message("users", 2, FIRST, 2)
    harness.dispatcher.missing_before(last, "offsets are gone")
    harness.offsets.hold(FIRST)
    harness.dispatcher.take(last)
    assert got == [["insert"], ["gap"]]
    assert harness.offsets.to_commit() == {FIRST: 2}


class SlowOneByOne(Handler):
    """A handler that fails with any batch."""

    def __call__(self, changes: list[Change]) -> None:
        if len(changes) > 1:
            raise Reject("one of them is bad")
        super().__call__(changes)


def test_kafka_is_polled_between_the_changes_of_a_batch_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of calls may take minutes, after which a member that does not poll is taken for dead, and would begin again."""
    monkeypatch.setattr("watcher.consumer.delivery.dispatcher.TURN_SECONDS", 0.0)
    handler = SlowOneByOne()
    harness = Harness(batches_of(handler, "users", size=4))
    polls: list[int] = []

    def poll() -> None:
        polls.append(len(handler.got))
        if len(polls) == 3:
            harness.revoke(SECOND)

    harness.during_wait = poll
    for sequence, partition in enumerate([FIRST, SECOND, FIRST, SECOND], start=1):
        harness.take("users", sequence, partition)
    assert (polls, handler.got) == ([0, 1, 2, 3], [[1], [2], [3]])


def test_a_stop_is_heard_between_the_changes_of_a_batch_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.consumer.delivery.dispatcher.TURN_SECONDS", 0.0)
    handler = SlowOneByOne()
    harness = Harness(batches_of(handler, "users", size=3))

    def stop() -> None:
        if handler.got:
            raise Stopped

    harness.during_wait = stop
    harness.take("users", 1)
    harness.take("users", 2)
    with pytest.raises(Stopped):
        harness.take("users", 3)
    assert (handler.got, harness.offsets.to_commit()) == ([[1]], {FIRST: 2})
