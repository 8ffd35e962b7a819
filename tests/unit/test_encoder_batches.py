"""Messages made of many events in one call are those that Python makes of one event after the other."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from random import Random
from typing import Any

import bson
import pytest
from bson import Binary, DatetimeMS, Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fault_matrix import SEED_VARIABLE
from tests.support.native_part import NEEDS_C
from tests.unit.change_events import change, encoder, recorded
from tests.unit.random_bson import documents
from watcher.errors import Outage, UndeliverableEvent
from watcher.messages.encoder import Encoder
from watcher.messages.oversize import LimitOf
from watcher.model import Message

ROOM = 1_000_000
OPERATIONS = ("insert", "update", "replace", "delete")
FORMATS: list[dict[str, Any]] = [
    {},
    {"json_format": "extended"},
    {"json_format": "strict", "kafka_headers": True},
    {"cloudevents": True},
    {"envelope": "document"},
    {"envelope": "debezium", "cloudevents": True},
    {"envelope": "mongodb", "json_format": "strict"},
    {"serialization": "avro"},
    {"envelope": "debezium", "serialization": "avro", "json_format": "strict"},
    {"topic_insert": "{database}.{collection}.new", "topic_update": "changes", "topic_delete": "{operation}.{collection}"},
]
FOR_PYTHON = [{"n": Decimal128("1.1")}, {"$ref": "c"}, {"at": DatetimeMS(2**60)}, {"n": 1e-9}]


def no_limit(_topic: str) -> int:
    return ROOM


def one_by_one(made_by: Encoder, events: Sequence[bytes], sequence: int, limit_of: LimitOf = no_limit) -> list[Message]:
    messages = list[Message]()
    for event in events:
        messages += made_by.messages_for(event, sequence + len(messages), limit_of)
    return messages


def together(
    made_by: Encoder, events: Sequence[bytes], sequence: int, limit_of: LimitOf = no_limit, most_bytes: int = ROOM
) -> list[list[Message]]:
    """The messages of each call, all of them."""
    calls, done = list[list[Message]](), 0
    while done < len(events):
        number = sequence + sum(map(len, calls))
        messages, count, size = made_by.next_messages(events, done, len(events), number, limit_of, most_bytes)
        assert 1 <= count <= len(events) - done
        assert size == sum(len(message.value or b"") for message in messages)
        calls.append(messages)
        done += count
    return calls


def flat(calls: Sequence[Sequence[Message]]) -> list[Message]:
    return [message for messages in calls for message in messages]


@st.composite
def events(draw: st.DrawFn) -> list[bytes]:
    """Row changes of several collections and databases, documents of a snapshot, what is for Python, and control events."""
    made = list[bytes]()
    for kind in draw(st.lists(st.sampled_from([*OPERATIONS, "row", "for Python", "control"]), min_size=1, max_size=30)):
        where = {"ns": {"db": draw(st.sampled_from(["dashboard", "ü"])), "coll": draw(st.sampled_from(["a", "b", "a.b", 'q"']))}}
        document = draw(documents)
        if kind == "control":
            made.append(draw(st.sampled_from([recorded()["drop"], recorded()["rename"]])))
        elif kind == "row":
            made.append(bson.encode(change("insert", fullDocument=document, snapshot="s1", **where)))
        elif kind == "for Python":
            made.append(bson.encode(change("insert", fullDocument=draw(st.sampled_from(FOR_PYTHON)), **where)))
        else:
            more = {"updateDescription": {"updatedFields": document, "removedFields": []}} if kind == "update" else {}
            after = {} if kind == "delete" else {"fullDocument": draw(st.sampled_from([document, None]))}
            made.append(bson.encode(change(kind, {"_id": draw(st.integers(0, 9) | st.none())}, **more, **after, **where)))
    return made


@NEEDS_C
@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(FORMATS), events(), st.integers(1, 10**6), st.sampled_from([1, 300, 2000, ROOM]), st.sampled_from([500, ROOM])
)
def test_as_python_one_by_one(form: dict[str, Any], events: list[bytes], sequence: int, most_bytes: int, limit: int) -> None:
    def limit_of(topic: str) -> int:
        return limit if topic.endswith(("insert", "new")) else ROOM

    expected = one_by_one(encoder(native=False, **form), events, sequence, limit_of)
    calls = together(encoder(**form), events, sequence, limit_of, most_bytes)
    assert flat(calls) == expected
    for messages in calls:  # the event that reaches the limit is the last one, with its tombstone
        sizes = [len(message.value or b"") for message in messages]
        while len(sizes) > 1 and not sizes[-1]:
            sizes.pop()
        assert len(messages) <= 2 or sum(sizes[:-1]) < most_bytes


@NEEDS_C
def test_all_that_c_can_make_is_made_at_once_up_to_the_limit() -> None:
    made_by, event = encoder(), bson.encode(change("insert", fullDocument={"n": 1}))
    size = len(made_by.encode(event, 100).value or b"")
    assert list(map(len, together(made_by, [event] * 300, 100))) == [300]
    assert list(map(len, together(made_by, [event] * 300, 100, most_bytes=100 * size))) == [100] * 3
    assert list(map(len, together(made_by, [event] * 300, 100, most_bytes=100 * size + 1)))[:2] == [101, 101]


@NEEDS_C
def test_an_event_for_python_ends_a_batch_and_only_it_is_python_s() -> None:
    rows = [bson.encode(change("insert", {"_id": number}, fullDocument={"n": number})) for number in range(50)]
    rows[20] = bson.encode(change("insert", fullDocument={"n": Decimal128("1.1")}))
    calls = together(encoder(), rows, 1)
    assert list(map(len, calls)) == [20, 1, 16, 13]  # after one for Python it begins with fewer


@NEEDS_C
def test_what_is_too_large_ends_a_batch_and_is_answered_by_the_policy() -> None:
    texts = ["a", "a" * 1000, "a"]
    rows = [bson.encode(change("insert", {"_id": number}, fullDocument={"text": text})) for number, text in enumerate(texts)]
    calls = together(encoder(), rows, 1, lambda topic: 500 if topic.endswith("insert") else ROOM)
    assert [[message.topic.rpartition(".")[2] for message in messages] for messages in calls] == [
        ["insert"],
        ["insert", "control"],
        ["insert"],
    ]


@NEEDS_C
def test_many_collections_in_one_batch() -> None:
    """More of them than a call tells apart."""
    form = {"topic_insert": "{collection}"}
    rows = [bson.encode(change("insert", ns={"db": "d", "coll": f"c{number % 200}"}, fullDocument={})) for number in range(1000)]
    assert flat(together(encoder(**form), rows, 1)) == one_by_one(encoder(native=False, **form), rows, 1)


@NEEDS_C
def test_errors_are_those_of_the_event_that_has_them() -> None:
    """The messages before it are made all the same."""
    whole = bson.encode(change("insert", fullDocument={"n": 1}))
    for bad in (b"", b"\5\0\0\0\0", whole[:-1], bson.encode({"operationType": "insert"})):
        made_by = encoder()
        messages, count, _ = made_by.next_messages([whole, whole, bad, whole], 0, 4, 1, no_limit, ROOM)
        assert (len(messages), count) == (2, 2)
        with pytest.raises(UndeliverableEvent) as as_before:
            made_by.messages_for(bad, 3, no_limit)
        with pytest.raises(UndeliverableEvent) as raised:
            made_by.next_messages([whole, whole, bad, whole], 2, 4, 3, no_limit, ROOM)
        assert str(raised.value) == str(as_before.value)


@NEEDS_C
def test_errors_of_naming_a_topic_come_through() -> None:
    def fails(_topic: str) -> int:
        raise Outage("Kafka is away", hint="", component="kafka", code="x")

    with pytest.raises(Outage, match="away"):
        encoder().next_messages([bson.encode(change("insert", fullDocument={}))], 0, 1, 1, fails, ROOM)


@NEEDS_C
def test_events_are_held_while_they_are_read() -> None:
    rows = [bson.encode(change("insert", {"_id": number}, fullDocument={"n": number})) for number in range(100)]
    expected = one_by_one(encoder(native=False), rows, 1)

    def clears(_topic: str) -> int:
        rows.clear()
        return ROOM

    assert encoder().next_messages(rows, 0, 100, 1, clears, ROOM)[0] == expected


@NEEDS_C
def test_large_and_small_events_at_random() -> None:
    """Texts that outgrow their first memory, and ends of a call in between."""
    rng = Random(int(os.environ[SEED_VARIABLE]))
    rows = [
        bson.encode(
            change("insert", {"_id": number}, fullDocument={"text": rng.choice("a\0é") * rng.choice((1, 100, 9_000, 300_000))})
        )
        for number in range(100)
    ]
    assert flat(together(encoder(), rows, 1, lambda _: 10**8)) == one_by_one(encoder(native=False), rows, 1, lambda _: 10**8)


@NEEDS_C
def test_other_threads_run_while_a_batch_is_written() -> None:
    """The interpreter takes its lock away from nobody meanwhile: so another thread can only run if it's given up."""
    rows = [bson.encode(change("insert", fullDocument={f"f{number}": number for number in range(50)}))] * 500
    made_by, ran, begin = encoder(), threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: begin.wait() and ran.set())
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        begin.set()
        for _ in range(200):
            made_by.next_messages(rows, 0, 500, 1, no_limit, ROOM)
            if ran.is_set():
                break
        assert ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        other.join()


def test_without_c_it_is_one_by_one() -> None:
    rows = [bson.encode(change("insert", {"_id": Binary(bytes([number]))}, fullDocument={})) for number in range(3)]
    assert list(map(len, together(encoder(native=False), rows, 1))) == [1, 1, 1]
