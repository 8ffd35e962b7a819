"""Dead letters are read by another group as what they were, in every envelope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as Record

from tests.golden_envelopes import ENVELOPES
from tests.unit.change_events import change, encoder
from watcher.consumer.change import read
from watcher.consumer.delivered import parse
from watcher.consumer.delivery.dead_letters import DeadLetters
from watcher.decoding.decoder import USUAL_PLACES
from watcher.decoding.message import UnknownMessage

WRITTEN = (1, 1_704_110_400_000)
REPEATED = (1, 1_804_110_400_000)
"""Times of a message and of its dead letters, as records have them."""

TOO_LARGE = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))


class Topic:
    """Stands in for a producer, and keeps what it is given, as a record."""

    def __init__(self, *, longest: int = 10_000) -> None:
        self._longest = longest
        self.record: Record

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        headers: list[tuple[str, Any]],
        on_delivery: Callable[..., None],
    ) -> None:
        if len(value or b"") > self._longest:
            raise TOO_LARGE
        encoded = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers]
        self.record = Record(topic=topic, partition=0, offset=3, key=key, value=value, headers=encoded, timestamp=REPEATED)
        on_delivery(None, self.record)

    def flush(self, _: float) -> int:
        return 0


def sent(record: Record, group: str, topic: Topic, error: Exception | None = None) -> Record:
    letters = DeadLetters(f"{group}.dead-letter", {}, group)
    letters._producer = topic  # type: ignore[assignment]  # a stand-in
    letters.send(record, "why", error)
    return topic.record


def headers(record: Record) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in record.headers() or ()}  # type: ignore[union-attr]  # bytes, here


@pytest.mark.parametrize("operation", ["insert", "update", "delete"])
@pytest.mark.parametrize(("envelope", "dialect"), {"generic": "plain", **ENVELOPES}.items())
def test_they_are_what_they_were(envelope: str, dialect: str, operation: str) -> None:
    event = change(operation, **({} if operation == "delete" else {"fullDocument": {"_id": 1, "n": 2}}))
    topics = dict.fromkeys(("topic_insert", "topic_update", "topic_delete"), "{database}.{collection}")
    message = encoder(envelope=envelope, json_format=dialect, **topics).encode(bson.encode(event), 7)
    place: dict[str, Any] = {"topic": message.topic, "partition": 2, "offset": 5, "timestamp": WRITTEN}
    record = Record(**place, key=message.key, value=message.value, headers=message.headers)
    first = sent(record, "service", Topic(), ValueError("odd"))
    again = sent(first, "repair", Topic())
    original = read(record, ("t", 0))
    assert parse(record, original.watcher, USUAL_PLACES) is not None
    for letter in (first, again):
        found = read(letter, ("dead", 0))
        assert (found.message, found.operation, found.collection) == (original.message, operation, original.collection)
        assert parse(letter, original.watcher, USUAL_PLACES) is None  # in a topic that looks like that of a collection
        assert (headers(letter)["topic"], headers(letter)["partition"], headers(letter)["offset"]) == (message.topic, "2", "5")
    assert "ValueError: odd" in headers(first)["traceback"]
    assert (headers(again)["group"], "traceback" in headers(again)) == ("repair", False)


def test_one_without_its_value_is_no_change() -> None:
    told = {"name": "w", "sequence": "1", "eventId": "e1", "operation": "insert"}
    own = [(f"watcher.{name}", text.encode()) for name, text in told.items()]
    record = Record(topic="d.users", partition=0, offset=1, key=b'"k"', value=b'{"_id":"k"}', headers=own)
    letter = sent(record, "service", Topic(longest=5))
    assert letter.value() is None
    assert headers(letter)["valueLeftOut"]
    with pytest.raises(UnknownMessage):
        read(letter, ("dead", 0))
