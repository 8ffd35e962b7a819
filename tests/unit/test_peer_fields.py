"""Our messages in the peers' envelopes against the peers' own, field by field, of the same recorded events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.peer_differences import DIFFERENT_FIELDS
from tests.unit.change_events import encoder
from tests.unit.test_peer_messages import lines
from watcher.config.settings import JsonFormat
from watcher.operations import ROW_OPERATIONS, TOMBSTONE

TOPICS = dict.fromkeys(("topic_insert", "topic_update", "topic_delete"), "{database}.{collection}")
NONE = "nothing"
NOT_ASKED_FOR = ("value.before", "value.fullDocumentBeforeChange")
"""Fields that only some of the connectors were told to write."""
CASES = [
    ("debezium", "debezium", "strict"),
    ("debezium", "debezium-images", "strict"),
    ("mongodb", "mongodb-images", "strict"),
    ("mongodb", "mongodb-extended", "canonical"),
]

KeyAndValue = tuple[Any, Any]


def ours(envelope: str, json_format: JsonFormat) -> Mapping[str, list[KeyAndValue]]:
    """Keys and values of our messages, by topic."""
    found = defaultdict(list)
    encode = encoder(envelope=envelope, json_format=json_format, kafka_headers=True, **TOPICS).messages_for
    for line in lines("events"):
        for message in encode(bytes.fromhex(line["event"]), 1, lambda _: 100_000_000):
            if message.operation in (*ROW_OPERATIONS, TOMBSTONE):
                found[message.topic].append((opened(message.key), opened(message.value)))
    return found


def theirs(peer: str, connector: str) -> Mapping[str, list[KeyAndValue]]:
    """Keys and values of the peer's messages about changes of documents, by topic without its prefix."""
    found = defaultdict(list)
    for line in (line for line in lines(peer) if line["connector"] == connector):
        value = opened(line["value"])
        is_copy = value and (value.get("op") == "r" or "copyingData" in value.get("_id", {}))
        is_change = value is None or value.get("operationType", "insert") in ROW_OPERATIONS
        if is_change and not is_copy:
            found[line["topic"].partition(".")[2]].append((opened(line["key"]), value))
    return found


def opened(text: bytes | str | None) -> Any:
    """JSON, and the JSON in its texts, whatever its spaces. Numbers that JSON does not have, and deprecated types have one form."""
    return _opened(json.loads(text)) if text is not None else None


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        is_number = value.keys() == {"$numberDouble"}
        if is_number:
            return float(value["$numberDouble"])
        if value.keys() & {"$undefined", "$symbol"}:
            return value.get("$symbol")
        if value.keys() == {"$dbPointer"}:
            return _opened(value["$dbPointer"])
        return {name: _opened(each) for name, each in value.items()}
    return _opened(json.loads(value)) if isinstance(value, str) and value.startswith("{") else value


def differences(path: str, left: Any, right: Any) -> Iterator[str]:
    """The paths of what differs."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in {**left, **right}:
            yield from differences(f"{path}.{name}", left.get(name, NONE), right.get(name, NONE))
    elif repr(left) != repr(right):  # NaN is not equal to itself
        yield path


@pytest.mark.parametrize(("envelope", "connector", "json_format"), CASES)
def test_our_messages_are_the_peers(envelope: str, connector: str, json_format: JsonFormat) -> None:
    our, their = ours(envelope, json_format), theirs(envelope, connector)
    assert {topic: len(messages) for topic, messages in our.items()} == {topic: len(their[topic]) for topic in our}
    found = {
        path
        for topic, messages in our.items()
        for (our_key, our_value), (key, value) in zip(messages, their[topic], strict=True)
        for path in (*differences("key", key, our_key), *differences("value", value, our_value))
        if path not in NOT_ASKED_FOR or connector.endswith("-images")
    }
    assert found == DIFFERENT_FIELDS[envelope]


@pytest.mark.parametrize("envelope", DIFFERENT_FIELDS)
def test_our_keys_have_the_peers_bytes(envelope: str) -> None:
    """So a document stays in its partition of a topic that a peer has begun, and compaction knows it again."""
    encode = encoder(envelope=envelope, json_format="strict", kafka_headers=True, **TOPICS).encode
    messages = (encode(bytes.fromhex(line["event"]), 1) for line in lines("events"))
    our = {(message.key or b"").decode() for message in messages if message.topic.endswith(".ids")}
    their = {line["key"] for line in lines(envelope) if line["connector"] == envelope and line["topic"].endswith(".ids")}
    their = {key for key in their if "_data" not in key}  # nor are those of drops
    assert their <= our
