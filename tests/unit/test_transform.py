"""The user's own function on messages: what it may change, and what becomes of its errors."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from tests.support.plain_settings import settings
from tests.unit.change_events import EVENT_ID, change, encoder, recorded
from tests.unit.transforming import MEGABYTE, TOPICS, Function, Message, messages, transforming
from watcher.errors import ConfigurationError, UndeliverableEvent
from watcher.kafka.topics import _creation_error
from watcher.messages.encoder import MessageFormat
from watcher.operations import ROW_OPERATIONS
from watcher.transform.encoder import TransformingEncoder
from watcher.transform.function import FIXED, Transform, TransformFailed, purpose_of
from watcher.transform.loading import load_function


@pytest.mark.parametrize(
    "headers", [{}, {"kafka_headers": True}, {"cloudevents": True}], ids=lambda given: "".join(given) or "none"
)
@pytest.mark.parametrize("envelope", ["generic", "document"])
@pytest.mark.parametrize("dialect", ["plain", "extended"])
@pytest.mark.parametrize("operation", recorded())
def test_a_function_that_changes_nothing_changes_no_byte(operation: str, dialect: Any, envelope: Any, headers: Any) -> None:
    event = recorded()[operation]
    form = {"json_format": dialect, "envelope": envelope, **headers}
    plain = encoder(**form).messages_for(event, 7, lambda _topic: MEGABYTE)
    assert messages(transforming(lambda message: message, **form), event) == plain


def test_a_changed_document_with_its_number_and_key() -> None:
    def function(message: Message) -> Message:
        assert "sequence" not in message
        message["fullDocument"]["region"] = "eu"
        message["documentKey"] = {"_id": "other"}
        return message

    [made] = messages(transforming(function), change("insert", fullDocument={"a": 1}))
    value = json.loads(made.value)
    assert value["fullDocument"] == {"a": 1, "region": "eu"}
    assert (value["sequence"], value["eventId"], made.topic) == (7, EVENT_ID, "database.insert")
    assert made.key == b'"other"'


def test_nothing_becomes_of_a_message() -> None:
    assert messages(transforming(lambda _message: None), change("insert", fullDocument={})) == []


@pytest.mark.parametrize("operation", ["insert", "update", "replace"])
def test_a_message_without_its_document_is_a_tombstone(operation: str) -> None:
    def function(message: Message) -> Message:
        message.pop("fullDocument", None)
        return message

    [made] = messages(transforming(function, envelope="document"), change(operation, fullDocument={"a": 1}))
    assert (made.value, made.operation, made.reason) == (None, operation, "")
    missing = change("update", updateDescription={"updatedFields": {}, "removedFields": []})
    [letter] = messages(transforming(function, envelope="document"), missing, missing=("fullDocument",))
    assert letter.reason == "too_large_for_mongodb"


def test_another_topic_is_created_and_used() -> None:
    created: list[str] = []
    encoder = transforming(lambda message: message | {"topic": "orders.eu"}, created=created)
    [made] = messages(encoder, change("insert", fullDocument={}))
    assert (made.topic, created) == ("orders.eu", ["orders.eu"])
    assert "topic" not in json.loads(made.value)


@pytest.mark.parametrize(
    ("form", "topic", "text"),
    [
        ({}, "w.position", "named the topic 'w.position', which is where the watcher keeps its position"),
        ({}, "w_position", "which is where the watcher keeps its position"),
        ({}, "control", ""),
        ({"envelope": "document"}, "control", "named the topic 'control', which is for control messages"),
        ({"envelope": "document"}, "shop.orders", ""),
    ],
)
def test_a_topic_that_serves_something_else_is_no_result(form: Message, topic: str, text: str) -> None:
    chosen = settings(kafka_client_id="w", kafka_topic_control="control", **form)
    transform = Transform("m:f", lambda message: message | {"topic": topic}, purpose_of=partial(purpose_of, chosen))
    message = dict.fromkeys(FIXED, "x") | {"operationType": "insert", "documentKey": {"_id": 1}}
    if text:
        with pytest.raises(TransformFailed, match=text):
            transform(message)
    else:
        assert transform(message) == message | {"topic": topic}


def refused_with(code: int) -> Any:
    """An encoder whose function names a topic that Kafka refuses to create, with this error."""

    def refusing(topic: str) -> str:
        raise _creation_error(topic, KafkaError(code, "refused"))

    made = MessageFormat(watcher="w", database="d", **TOPICS)
    transform = Transform("m:f", lambda message: message | {"topic": "a_b"})
    return TransformingEncoder(made, transform, on_error="dead-letter", topic_of=lambda topic, *_: topic, ensured=refusing)


def test_a_topic_whose_name_kafka_refuses_is_a_result_that_fails() -> None:
    [letter] = messages(refused_with(KafkaError.TOPIC_EXCEPTION), change("insert", fullDocument={}))
    assert letter.reason == "transform_failed"


@pytest.mark.parametrize("name", ["INVALID_REPLICATION_FACTOR", "INVALID_PARTITIONS", "INVALID_CONFIG", "POLICY_VIOLATION"])
def test_a_topic_that_the_settings_keep_from_being_made_ends_the_worker(name: str) -> None:
    """Every change for a new topic would be put aside otherwise."""
    with pytest.raises(ConfigurationError, match="refuses to create topic a_b"):
        messages(refused_with(getattr(KafkaError, name)), change("insert", fullDocument={}))


def test_another_operation_goes_to_its_own_topic() -> None:
    [made] = messages(transforming(lambda message: message | {"operationType": "delete"}), change("update", fullDocument={}))
    assert (made.topic, made.operation) == ("database.delete", "delete")


@pytest.mark.parametrize("operation", sorted(recorded().keys() - set(ROW_OPERATIONS)))
def test_control_messages_go_past_it(operation: str) -> None:
    [made] = messages(transforming(lambda _message: 1 / 0), recorded()[operation])
    assert json.loads(made.value)["operationType"] == operation


def broken(_message: Message) -> Message:
    raise ValueError("a secret of the document's")


BAD: dict[str, tuple[Function, str]] = {
    "raises": (broken, "raised ValueError at test_transform.py:"),
    "exits": (lambda _message: sys.exit(1), "raised SystemExit at"),
    "text": (lambda _message: "text", "returned str, and neither a message nor None"),
    "unknown field": (lambda message: message | {"tenant": 1}, "adds 'tenant' beside the message's own fields"),
    "sequence": (lambda message: message | {"sequence": 1}, "adds 'sequence'"),
    "control": (lambda message: message | {"operationType": "drop"}, "whose operationType is none of"),
    "no key": (lambda message: message | {"documentKey": {}}, "without the _id in documentKey"),
    "document": (lambda message: message | {"fullDocument": [1]}, "whose fullDocument is no object"),
    "topic": (lambda message: message | {"topic": "a b"}, "named a topic that Kafka does not take"),
    "template": (lambda message: message | {"topic": "{collection}"}, "named a topic that Kafka does not take"),
    "no topic": (lambda message: message | {"topic": None}, "named a topic that is no text"),
    "Kafka's": (lambda message: message | {"topic": "__consumer_offsets"}, "named one of Kafka's own topics"),
    "no JSON": (lambda message: message | {"fullDocument": {"a": {1, 2}}}, "returned what cannot be written as JSON"),
    "surrogate": (lambda message: message | {"fullDocument": {"a": "\ud800"}}, "returned what cannot be written as JSON"),
    **{name: (lambda message, name=name: message | {name: "?"}, f"changes {name}, which must stay") for name in FIXED},
}


@pytest.mark.parametrize(("function", "text"), BAD.values(), ids=BAD)
def test_what_fails_ends_the_worker_or_is_put_aside(function: Function, text: str) -> None:
    event = change("insert", fullDocument={"a": "a secret"})
    with pytest.raises(UndeliverableEvent, match="The transform m:f ") as caught:
        messages(transforming(function), event)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)
    [letter] = messages(transforming(function, on_error="dead-letter"), event)
    value = json.loads(letter.value)
    assert (letter.topic, letter.reason, value["sequence"]) == ("database.control", "transform_failed", 7)
    assert value["reason"] == "The transform failed."
    assert value["about"] == {"operationType": "insert", "eventId": EVENT_ID}
    assert "secret" not in letter.value.decode()


def test_what_is_too_large_afterwards_goes_without_its_document() -> None:
    def function(message: Message) -> Message:
        return message | {"fullDocument": {"a": "x" * 10_000}, "topic": "large"}

    event = change("insert", fullDocument={"secret": "hidden"})
    row, letter = messages(transforming(function), event, limit=5000)
    assert json.loads(row.value)["truncated"] == ["fullDocument"]
    assert row.topic == "large"
    assert json.loads(letter.value)["about"]["sequence"] == 7
    with pytest.raises(UndeliverableEvent, match="too large"):
        messages(transforming(function, on_large_event="fail"), event, limit=5000)


def test_what_mongodb_left_out_goes_through_it_too() -> None:
    row, letter = messages(transforming(lambda message: message | {"topic": "t"}), change("update"), missing=("fullDocument",))
    assert (row.topic, json.loads(row.value)["truncated"]) == ("t", ["fullDocument"])
    assert letter.reason == "too_large_for_mongodb"


def test_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "shape_it.py").write_text("class Shapes:\n    def keep(message): return message\nnone = 1\n")
    (tmp_path / "bad_shape.py").write_text("raise RuntimeError('no key')\n")
    assert load_function("shape_it:Shapes.keep", tmp_path)({"a": 1}) == {"a": 1}
    for reference, text in {
        "shape_it:missing": "has no missing",
        "shape_it:none": "is no function",
        "bad_shape:f": "cannot be imported: RuntimeError: no key",
        "no_such_shape:f": "cannot be imported: ModuleNotFoundError",
    }.items():
        with pytest.raises(ConfigurationError, match=text):
            load_function(reference, tmp_path)
