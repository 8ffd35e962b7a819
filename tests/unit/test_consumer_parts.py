"""The parts of the consumer that need no Kafka: messages, routes, offsets, redeliveries, batches, options, variables."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydantic
import pytest
from confluent_kafka import Message as Record
from hypothesis import given
from hypothesis import strategies as st

from watcher.consumer import (
    AsyncDatabaseChangeConsumer,
    Change,
    ConsumerOptions,
    DatabaseChangeConsumer,
    Gap,
    SnapshotAborted,
    SnapshotCompleted,
    SnapshotStarted,
)
from watcher.consumer.change import NotOurs, read
from watcher.consumer.connection import consumer_properties
from watcher.consumer.delivery.attempts import Attempts
from watcher.consumer.delivery.batches import Batches
from watcher.consumer.delivery.redelivery import RedeliveryWindow
from watcher.consumer.delivery.watchdog import Watchdog
from watcher.consumer.environment import read_environment
from watcher.consumer.errors import Reject
from watcher.consumer.offsets.handled import Offsets
from watcher.consumer.registration.routes import REMEMBERED, Route, Routes
from watcher.consumer.stop_signals import stop_on_signals
from watcher.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
P = ("t", 0)


def record(value: bytes | None, offset: int = 5) -> Record:
    return Record(topic="t", partition=0, offset=offset, key=b'"k"', value=value)


def message(**fields: Any) -> dict[str, Any]:
    standard = {"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": "k", "shard": 1}}
    return {**standard, "timestamp": "2024-01-01T12:00:00.756Z", "watcher": "w", "sequence": 7, "eventId": "e7", **fields}


def change(operation: str = "insert", collection: str | None = "users", *, offset: int = 5, **fields: Any) -> Change:
    value = message(operationType=operation, **fields)
    if collection is None:
        del value["collection"], value["documentKey"]
    else:
        value["collection"] = collection
    return read(record(json.dumps(value).encode(), offset), P)


def nothing(_: list[Change]) -> None:
    """A handler."""


IMPORT = """
import sys
before = set(sys.modules)
from watcher.consumer import AsyncDatabaseChangeConsumer, Change, DatabaseChangeConsumer, Gap
new = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items() if name not in before}
print(*sorted({name.partition(".")[0] for name, file in new.items() if "site-packages" in file}))
"""


def test_importing_needs_nothing_but_confluent_kafka_and_orjson() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert done.stdout.split() == ["confluent_kafka", "orjson"]


def test_a_change_says_what_the_message_says() -> None:
    update = {"updatedFields": {"a": 1}, "removedFields": []}
    found = change("update", fullDocument={"_id": "k", "a": 1}, updateDescription=update, addedInALaterVersion=True)
    assert (found.operation, found.database, found.collection, found.watcher, found.sequence) == ("update", "d", "users", "w", 7)
    assert (found.topic, found.partition, found.offset, found.event_id) == ("t", 0, 5, "e7")
    assert (found.key, found.document_key) == ("k", {"_id": "k", "shard": 1})
    assert found.timestamp == datetime(2024, 1, 1, 12, 0, 0, 756000, UTC)
    assert (found.full_document, found.update_description) == ({"_id": "k", "a": 1}, update)
    assert (found.full_document_before_change, found.truncated) == (None, ())
    assert found.message["addedInALaterVersion"] is True
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.operation = "delete"  # type: ignore[misc]


def test_a_control_message_has_neither_key_nor_document() -> None:
    found = change("dropDatabase", None)
    assert (found.collection, found.key, dict(found.document_key), found.full_document) == (None, None, {}, None)


def test_a_document_as_the_users_own_model() -> None:
    class User(pydantic.BaseModel):
        n: int

    user = change(fullDocument={"n": "1"}).document(User)
    assert user is not None
    assert user.n == 1
    assert change("delete").document(User) is None
    with pytest.raises(pydantic.ValidationError):
        change(fullDocument={"n": "one"}).document(User)


def test_a_gap() -> None:
    found = Gap.of(change("gap", None, reason="lost", lastEventId="e6"))
    assert found == Gap("d", "w", 7, datetime(2024, 1, 1, 12, 0, 0, 756000, UTC), "lost", "e6")


NOON = "826592A9400000000C2B0229296E04"
"""A token of 12:00:00."""


def test_versions_sort_in_the_order_of_a_documents_states() -> None:
    states = [
        change(eventId=NOON, sequence=900, timestamp="2024-01-01T13:00:00.000Z"),  # wallTime is no clock of the cluster
        change(eventId="s.1", snapshot="s", sequence=901, timestamp="2024-01-01T12:00:00.000Z"),
        change(eventId=NOON.replace("9400000000C", "9400000000D"), sequence=1024),
        change(eventId="s.2", snapshot="s", sequence=3, timestamp="2024-01-01T12:00:01.000Z"),  # the numbers begin again
        change(eventId=NOON.replace("A940", "A941"), sequence=4),
    ]
    versions = [each.version for each in states]
    assert versions == sorted(versions)
    assert [each.token is None for each in states] == [False, True, False, True, False]
    assert [each.snapshot for each in states] == [None, "s", None, "s", None]


CHOICE = {"collections": ["users", "o*"], "filters": {"orders": "{}"}}


def test_a_snapshot_that_begins() -> None:
    found = SnapshotStarted.of(
        change("snapshotStarted", None, snapshot="s", reason="initial", snapshotOperation="insert", **CHOICE)
    )
    assert (found.snapshot, found.reason, found.operation, found.sequence) == ("s", "initial", "insert", 7)
    assert (found.collections, found.filters) == (("users", "o*"), {"orders": "{}"})


def completed(collection: str | None = None, **fields: Any) -> SnapshotCompleted:
    operation = "snapshotCollectionCompleted" if collection else "snapshotCompleted"
    return SnapshotCompleted.of(change(operation, collection, snapshot="s", startedSequence=3, documents=5, **fields))


def test_what_a_snapshot_covers() -> None:
    found = completed("users", filtered=False)
    assert (found.snapshot, found.started_sequence, found.collection, found.documents) == ("s", 3, "users", 5)
    assert (found.covers("users"), found.covers("orders")) == (True, False)
    assert not completed("users", filtered=True).covers("users")
    assert completed().covers("whatever")
    found = completed(**CHOICE)
    assert [found.covers(each) for each in ("users", "offers", "orders", "members")] == [True, True, False, False]


def test_a_snapshot_that_is_aborted() -> None:
    found = SnapshotAborted.of(change("snapshotAborted", None, snapshot="s", startedSequence=3, documents=5, reason="gone"))
    assert (found.snapshot, found.started_sequence, found.documents, found.reason) == ("s", 3, 5, "gone")


@pytest.mark.parametrize("kind", [SnapshotStarted, SnapshotCompleted, SnapshotAborted])
def test_a_message_about_a_snapshot_without_its_fields_is_rejected(kind: Any) -> None:
    with pytest.raises(Reject, match="cannot be read"):
        kind.of(change("snapshot", None))


def test_a_handler_of_snapshots_comes_before_those_of_the_collection() -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    told: list[Any] = []
    consumer.on("users", "*")(told.append)
    consumer.on("users", "snapshotCollectionCompleted")
    consumer.on_snapshot_completed(told.append)
    for operation, collection in (("snapshotCollectionCompleted", "users"), ("snapshotCompleted", None)):
        each = change(operation, collection, snapshot="s", startedSequence=3, documents=5, filtered=False)
        route = consumer._routes.find(each)
        assert route is not None
        route.handler([each])
    assert [(type(each), each.collection) for each in told] == [(SnapshotCompleted, "users"), (SnapshotCompleted, None)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"{}",
        json.dumps(message(sequence="7")).encode(),
        json.dumps(message(sequence=True)).encode(),
        json.dumps(message(watcher=7)).encode(),
        json.dumps(message(operationType=None)).encode(),
        json.dumps(message(database=7)).encode(),
        json.dumps(message(collection=["users"])).encode(),
        json.dumps(message(documentKey="k")).encode(),
        json.dumps(message(eventId=7)).encode(),
        json.dumps(message(timestamp=None)).encode(),
        json.dumps(message(operationType="gap", timestamp="yesterday")).encode(),
        b'{"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": 1}}',
    ],
)
def test_what_no_watcher_has_written(value: bytes | None) -> None:
    with pytest.raises(NotOurs):
        read(record(value), P)


def chosen(routes: Routes, *arguments: Any, **fields: Any) -> str | None:
    route = routes.find(change(*arguments, **fields))
    return None if route is None else route.handler.__name__


def named(name: str) -> Any:
    def handler(_: list[Change]) -> None: ...

    handler.__name__ = name
    return handler


def test_the_most_specific_handler_is_chosen() -> None:
    routes = Routes()
    routes.add(Route(named("any")))
    routes.add(Route(named("glob"), "user*", ("insert", "delete")))
    routes.add(Route(named("exact"), "users", ("insert",)))
    routes.add(Route(named("exact elsewhere"), "users", ("insert",), "other*"))
    routes.add(Route(named("gap"), operations=("gap",)))
    assert chosen(routes, "insert", "users") == "exact"
    assert chosen(routes, "insert", "users", database="others") == "exact elsewhere"
    assert chosen(routes, "delete", "users") == "glob"
    assert chosen(routes, "insert", "user_roles") == "glob"
    assert chosen(routes, "update", "users") == "any"
    assert chosen(routes, "insert", "Users") == "any", "names are case-sensitive, as in MongoDB"
    assert chosen(routes, "gap", None) == "gap"
    assert chosen(routes, "dropDatabase", None) == "any"


def test_what_nobody_takes() -> None:
    routes = Routes()
    routes.add(Route(named("users"), "users", ("insert",)))
    assert chosen(routes, "insert", "orders") is None
    assert chosen(routes, "aLaterOperation", "users") is None
    routes.set_other(Route(named("other")))
    assert chosen(routes, "insert", "orders") == "other"
    assert chosen(routes, "aLaterOperation", "users") == "other"


def test_names_without_end_do_not_fill_the_memory() -> None:
    routes = Routes()
    routes.add(Route(nothing))
    for number in range(REMEMBERED + 10):
        routes.find(dataclasses.replace(change(), collection=str(number)))
    assert len(routes._found) <= REMEMBERED


def test_two_handlers_for_the_same_are_refused() -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    consumer.on("users", "insert", "update")(print)
    with pytest.raises(ValueError, match="users already has a handler for insert"):
        consumer.on_batch("users", "insert")(print)
    consumer.on("users", "delete")(print)
    consumer.on_gap(print)
    with pytest.raises(ValueError, match="gap"):
        consumer.on_gap(print)


class Model:
    """A partition's log as the obvious, slow thing."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.handled: set[int] = set()

    @property
    def committable(self) -> int | None:
        if not self.taken:
            return None
        return next((offset for offset in self.taken if offset not in self.handled), self.taken[-1] + 1)


@given(st.data())
def test_never_more_is_committed_than_was_handled(data: Any) -> None:
    offsets, model, offset = Offsets(), Model(), data.draw(st.integers(0, 5))
    committed = None
    offsets.assign([P])
    for _ in range(data.draw(st.integers(0, 30))):
        if data.draw(st.booleans()):
            offset += data.draw(st.integers(1, 3))  # marks of transactions lie between
            offsets.taken(P, offset)
            model.taken.append(offset)
        elif waiting := [each for each in model.taken if each not in model.handled]:
            model.handled.add(done := data.draw(st.sampled_from(waiting)))
            offsets.handled(P, done)
        moved = offsets.to_commit()
        assert moved == ({} if model.committable == committed else {P: model.committable})
        committed = model.committable


def test_the_end_of_a_partition_is_committed_past_the_marks() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 3)
    offsets.passed(P, 5)
    assert offsets.to_commit() == {P: 3}
    offsets.handled(P, 3)
    assert offsets.to_commit() == {P: 5}


def test_what_was_not_committed_is_committed_again() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 3)
    offsets.handled(P, 3)
    assert (offsets.to_commit(), offsets.to_commit()) == ({P: 4}, {})
    assert offsets.to_commit(again=True) == {P: 4}, "whether the last commit has arrived is not known yet"
    offsets.not_committed([P, ("t", 1)])
    assert offsets.to_commit() == {P: 4}
    offsets.committed({P: 4, ("t", 1): 1})
    assert (offsets.to_commit(), offsets.to_commit(again=True)) == ({}, {})


def test_what_was_revoked_is_nobodys() -> None:
    offsets = Offsets()
    offsets.assign([P])
    offsets.taken(P, 5)
    assert offsets.ours([change()]) == [change()]
    offsets.revoke([P])
    offsets.handled(P, 5)
    assert (offsets.ours([change()]), offsets.to_commit(), offsets.is_assigned(P)) == ([], {}, False)


def test_redeliveries_within_the_window() -> None:
    window = RedeliveryWindow(3)
    for sequence in (1, 2, 4, 5):
        window.add(change(sequence=sequence))
    assert [sequence for sequence in range(1, 7) if window.has(change(sequence=sequence))] == [2, 4, 5]
    assert not window.has(change(sequence=4, watcher="another"))
    assert not window.has(change(sequence=4, eventId="another")), "a watcher that began anew uses the numbers again"


def test_no_window_recognises_nothing() -> None:
    window = RedeliveryWindow(0)
    window.add(change())
    assert not window.has(change())


def test_batches_are_for_one_handler_and_keep_the_order_of_a_collection() -> None:
    batches = Batches()
    users = Route(nothing, "users", batch_size=2, wait_s=1.0)
    orders = Route(nothing, "orders", batch_size=2, wait_s=2.0)
    first = batches.add(users, change("insert", "users"), 0.0)
    second = batches.add(orders, change("insert", "orders"), 0.5)
    assert (first.is_full, batches.next_due_s(), batches.due(0.9), batches.due(1.0)) == (False, 1.0, [], [first])
    assert batches.before(change("update", "users"), users) == []
    assert batches.before(change("delete", "users"), None) == [first]
    assert batches.before(change("delete", "branches"), None) == []
    assert batches.before(change("gap", None), None) == [first, second]
    assert batches.add(users, change("update", "users", offset=6), 0.9) is first
    assert first.is_full
    batches.close(first)
    assert batches.next_due_s() == 2.5
    batches.revoke([P])
    assert batches.next_due_s() is None


class Flaky:
    """A handler that fails as often as it is told to."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error

    def __call__(self, changes: list[Change]) -> None:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error


def attempts(**options: Any) -> tuple[Attempts, list[float]]:
    waits: list[float] = []
    return Attempts(ConsumerOptions(**options), Watchdog(None, exits=False), waits.append, lambda changes: changes), waits


def test_a_handler_is_called_until_it_returns() -> None:
    policy, waits = attempts(backoff_ms=100, longest_backoff_ms=300)
    handler = Flaky(4, OSError("away"))
    assert policy.call(handler, [change()]) == ([change()], None)
    assert waits == [0.1, 0.2, 0.3, 0.3]


def test_a_handler_that_always_fails() -> None:
    error = OSError("away")
    policy, waits = attempts(attempts=3)
    handler = Flaky(99, error)
    assert policy.call(handler, [change()]) == ([change()], error)
    assert (handler.calls, len(waits)) == (3, 2)


def test_attempts_without_limit() -> None:
    policy, waits = attempts(attempts=None)
    assert policy.call(Flaky(2000, OSError()), [change()])[1] is None
    assert max(waits) == 30.0


def test_a_rejected_message_is_not_tried_again() -> None:
    policy, waits = attempts()
    error = Reject("never")
    assert policy.call(Flaky(99, error), [change()]) == ([change()], error)
    assert waits == []


def test_an_exit_is_no_failure() -> None:
    def leave(_: list[Change]) -> None:
        sys.exit(3)

    policy, _ = attempts()
    with pytest.raises(SystemExit):
        policy.call(leave, [change()])


@pytest.mark.parametrize(
    "options",
    [
        {"on_error": "ignore"},
        {"on_foreign": "drop"},
        {"on_hang": "kill"},
        {"attempts": 0},
        {"backoff_ms": -1},
        {"buffer_bytes": 0},
        {"hang_after_ms": 0},
    ],
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ConsumerOptions(**options)


@pytest.mark.parametrize("name", ["enable.auto.commit", "isolation.level", "group.id", "bootstrap.servers"])
def test_properties_that_are_ours(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        DatabaseChangeConsumer("b", "g", ["t"], kafka={name: "x"})


def test_arguments_that_are_empty() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        DatabaseChangeConsumer("b", "", ["t"])
    with pytest.raises(ValueError, match="must not be empty"):
        DatabaseChangeConsumer("b", "g", [])
    with pytest.raises(ValueError, match="size"):
        DatabaseChangeConsumer("b", "g", ["t"]).on_batch("users", size=0)


@pytest.mark.parametrize("options", [ConsumerOptions(), ConsumerOptions(dead_letter_topic="dead")])
def test_its_own_dead_letters_are_no_source(options: ConsumerOptions) -> None:
    with pytest.raises(ValueError, match="dead letters"):
        DatabaseChangeConsumer("b", "g", ["t", options.dead_letter_topic or "g.dead-letter"], options=options)


def test_topics_that_patterns_leave_out() -> None:
    found = consumer_properties("b", "g", {"topic.blacklist": "^private"}, "g-1.dead")
    assert found["topic.blacklist"] == "^private,^g-1[.]dead$"
    assert consumer_properties("b", "g", {}, "dead")["topic.blacklist"] == "^dead$"


def test_the_guides_variables() -> None:
    found = read_environment({"KAFKA_GROUP_ID": "g"})
    defaults = ["database.insert", "database.update", "database.delete", "database.control"]
    assert found == ("localhost:9092", "g", defaults, {})
    own = {"KAFKA_BROKERS": "k:1", "KAFKA_GROUP_ID": "g", "KAFKA_TOPIC_INSERT": "i", "KAFKA_TOPIC_CONTROL": "c"}
    assert read_environment({**own, "KAFKA": '{"security.protocol": "SSL"}'}) == (
        "k:1",
        "g",
        ["i", "database.update", "database.delete", "c"],
        {"security.protocol": "SSL"},
    )


def test_one_topic_for_all_that_have_none_of_their_own() -> None:
    shared = {"KAFKA_GROUP_ID": "g", "KAFKA_DB_CHANGES_TOPIC": "all"}
    assert read_environment(shared).topics == ["all", "database.control"]
    assert read_environment({**shared, "KAFKA_TOPIC_DELETE": "d"}).topics == ["all", "d", "database.control"]
    assert read_environment({**shared, "KAFKA_TOPIC_DELETE": ""}).topics == ["all", "database.control"]


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "KAFKA_GROUP_ID"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA": "[]"}, "JSON object"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA": "{"}, "JSON object"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA_TOPIC_INSERT": "{database}.insert"}, "cannot subscribe"),
    ],
)
def test_variables_that_cannot_be(environment: dict[str, str], text: str) -> None:
    for kind in (DatabaseChangeConsumer, AsyncDatabaseChangeConsumer):
        with pytest.raises(ConfigurationError, match=text) as failure:
            kind.from_env(environment)
        assert failure.value.hint


def test_a_hanging_call_is_reported_once_and_a_slow_sequence_is_not(caplog: pytest.LogCaptureFixture) -> None:
    hung = threading.Event()
    with Watchdog(0.2, exits=False) as watchdog:
        for _ in range(30):
            watchdog.begins(change())
            hung.wait(0.02)
            watchdog.ends()
        assert caplog.text == ""
        watchdog.begins(change())
        hung.wait(0.7)
        watchdog.ends()
    assert caplog.text.count("has not returned for") == 1
    assert "hung.wait(0.7)" in caplog.text, "where it hangs"


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with stop_on_signals(lambda: None):
                pass
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert errors == []
