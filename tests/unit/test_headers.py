"""Kafka headers of messages: the watcher's own, and those of CloudEvents as the `cloudevents` package reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson import DatetimeMS
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

from tests.unit.change_events import EVENT_ID, NOON_MS, change, encoder, recorded
from watcher.messages.envelopes import ENVELOPES
from watcher.messages.envelopes.layout import ALL_DIGITS
from watcher.model import Message

ROOM = 1_000_000
NATIVE = pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])


def messages(operation: str, *, native: bool = True, **settings: Any) -> list[Message]:
    event = bson.encode(change(operation, fullDocument={"n": 1}))
    return encoder(native=native, **settings).messages_for(event, 42, lambda _: ROOM)


def told(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers or ()}


def own(sequence: int, operation: str) -> dict[str, str]:
    return {
        "watcher.name": "dashboard-watcher",
        "watcher.sequence": str(sequence),
        "watcher.operation": operation,
        "watcher.eventId": EVENT_ID,
    }


@NATIVE
def test_generic_messages_have_none_unless_they_are_wanted(native: bool) -> None:
    [plain] = messages("insert", native=native)
    [wanted] = messages("insert", native=native, kafka_headers=True)
    assert plain.headers is None
    assert told(wanted) == own(42, "insert")
    assert wanted._replace(headers=None, header_bytes=0) == plain


@NATIVE
@pytest.mark.parametrize("envelope", [name for name in ENVELOPES if name != "generic"])
@pytest.mark.parametrize("operation", ["insert", "update", "replace", "delete"])
def test_every_other_message_has_them(envelope: str, operation: str, native: bool) -> None:
    [message, *_] = messages(operation, native=native, envelope=envelope)
    assert told(message) == own(42, operation)


def test_debeziums_tombstone_has_its_own() -> None:
    deleted, tombstone = messages("delete", envelope="debezium")
    assert (deleted.operation, tombstone.operation) == ("delete", "tombstone")
    assert (tombstone.topic, tombstone.key, tombstone.value) == (deleted.topic, deleted.key, None)
    assert told(tombstone) == own(43, "tombstone")


def test_control_messages_have_them_too() -> None:
    drop = encoder(envelope="document").encode(recorded()["drop"], 7)
    assert told(drop)["watcher.operation"] == "drop"
    gap = encoder(envelope="document").control("gap", timestamp_ms=NOON_MS, sequence=8, reason="x")
    assert told(gap) == {
        "watcher.name": "dashboard-watcher",
        "watcher.sequence": "8",
        "watcher.operation": "gap",
    }


def test_they_count_in_a_messages_size() -> None:
    [plain], [wanted] = messages("insert"), messages("insert", kafka_headers=True)
    assert wanted.size >= plain.size + sum(len(name) + len(value) for name, value in own(42, "insert").items())
    exact = plain.size
    event = bson.encode(change("insert", fullDocument={"n": 1}))
    assert len(encoder().messages_for(event, 42, lambda _: exact)) == 1
    [truncated, *_] = encoder(kafka_headers=True).messages_for(event, 42, lambda topic: exact if "insert" in topic else ROOM)
    assert b"fullDocument" not in (truncated.value or b"") or truncated.operation == "deadLetter"


@pytest.mark.parametrize(
    "form", [{"kafka_headers": True}, {"cloudevents": True}, {"envelope": "debezium", "cloudevents": True}], ids=str
)
def test_they_take_no_more_than_is_said(form: dict[str, Any]) -> None:
    made = [*messages("delete", **form), encoder(**form).control("snapshotCollectionCompleted", timestamp_ms=0, sequence=2**63 - 1)]
    for message in made:
        taken = sum(len(name) + len(value) for name, value in message.headers or ())
        assert taken < message.header_bytes < taken + 200


def cloud_event(message: Message) -> Any:
    return from_binary_event(KafkaMessage(headers=dict(message.headers or ()), key=message.key, value=message.value or b""))


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_cloud_event(envelope: str) -> None:
    [message] = messages("update", envelope=envelope, cloudevents=True)
    event = cloud_event(message)
    assert (event.get_id(), event.get_source(), event.get_type()) == (EVENT_ID, "/dashboard-watcher", "watcher.update")
    assert (event.get_specversion(), event.get_datacontenttype()) == ("1.0", "application/json")
    assert event.get_time() == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=NOON_MS)
    assert event.get_extension("sequence") == "42".zfill(ALL_DIGITS)


def test_ids_of_cloud_events_are_unique() -> None:
    format_ = {"envelope": "debezium", "cloudevents": True}
    made = [*messages("delete", **format_), encoder(**format_).control("gap", timestamp_ms=NOON_MS, sequence=44)]
    assert [told(message)["ce_id"] for message in made] == [EVENT_ID, f"{EVENT_ID}.tombstone", "44"]
    assert [told(message)["ce_sequence"][-2:] for message in made] == ["42", "43", "44"]


@pytest.mark.parametrize("time", [DatetimeMS(-62_167_219_200_001), DatetimeMS(2**60)])
def test_a_time_that_rfc_3339_does_not_have(time: DatetimeMS) -> None:
    event = bson.encode(change("delete", wallTime=time))
    [message] = encoder(cloudevents=True).messages_for(event, 1, lambda _: ROOM)
    assert "ce_time" not in told(message)
    cloud_event(message)
