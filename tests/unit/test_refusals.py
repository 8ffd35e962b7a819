"""Reasons for which Kafka took no write, found by asking for its topics."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from watcher.errors import ConfigurationError, NotPermitted, Outage, WatcherError
from watcher.kafka.refusals import NEVER, POSITION, oldest_allowed_ms, reason
from watcher.kafka.topics import UnseenTopic
from watcher.model import Message

HOUR_MS = 3_600_000
OLD = Message("t", b"1", b"{}", int(time.time() * 1000) - HOUR_MS, "insert")
NEW = Message("t", b"1", b"{}", int(time.time() * 1000) + HOUR_MS, "insert")


class FakeTopics:
    """One topic, as Kafka would tell of it."""

    def __init__(self, *, copies: int = 1, leader: int = 0, **config: str) -> None:
        self._partition = SimpleNamespace(leader=leader, isrs=[*range(copies)])
        self._config = {name.replace("_", "."): value for name, value in config.items()}

    def config(self, _name: str) -> dict[str, str]:
        return self._config

    def partitions(self, _name: str) -> dict[int, Any]:
        return {0: self._partition}

    def exists(self, name: str) -> bool:
        return bool(self.partitions(name))

    def max_message_bytes(self, _name: str) -> int | None:
        return int(self._config["max.message.bytes"]) if "max.message.bytes" in self._config else None


class AwayTopics(FakeTopics):
    def partitions(self, _name: str) -> dict[int, Any]:
        raise Outage("away", component="kafka")


def failed_with(code: str, topics: FakeTopics, *messages: Message) -> WatcherError:
    outage = Outage("Kafka: a transaction failed", hint="a hint", component="kafka", code=code)
    return reason(outage, topics, messages)  # type: ignore[arg-type]


def test_a_change_that_is_too_old_for_its_topic() -> None:
    for setting in ("message_timestamp_before_max_ms", "message_timestamp_difference_max_ms"):
        error = failed_with("INVALID_TIMESTAMP", FakeTopics(**{setting: "60000"}), NEW, OLD)
        assert type(error) is ConfigurationError
        assert "older than 60 s" in str(error)
        assert "message.timestamp.before.max.ms" in error.hint


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        (FakeTopics(message_timestamp_before_max_ms="60000"), NEW),
        (FakeTopics(message_timestamp_before_max_ms=str(2 * HOUR_MS)), OLD),
        (FakeTopics(), OLD),
    ],
)
def test_a_time_that_is_refused_for_another_reason_is_an_outage(topics: FakeTopics, message: Message) -> None:
    assert failed_with("INVALID_TIMESTAMP", topics, message).hint == "a hint"


@pytest.mark.parametrize("code", ["_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT"])
def test_too_few_copies(code: str) -> None:
    error = failed_with(code, FakeTopics(copies=1, min_insync_replicas="2"), OLD)
    assert type(error) is Outage
    assert (error.code, str(error)) == (code, "Kafka: a transaction failed: copies of t in step: 1, and min.insync.replicas is 2.")
    assert "min.insync.replicas" in error.hint


def test_no_leader() -> None:
    assert "has no leader" in str(failed_with("_MSG_TIMED_OUT", FakeTopics(leader=-1), OLD))


@pytest.mark.parametrize("topics", [FakeTopics(copies=2, min_insync_replicas="2"), AwayTopics()])
def test_a_time_out_of_another_reason(topics: FakeTopics) -> None:
    assert failed_with("_MSG_TIMED_OUT", topics, OLD).hint == "a hint"


def test_a_size_that_is_not_told() -> None:
    error = failed_with("MSG_SIZE_TOO_LARGE", FakeTopics(), OLD)
    assert type(error) is NotPermitted
    assert "DescribeConfigs" in error.hint
    assert failed_with("MSG_SIZE_TOO_LARGE", FakeTopics(max_message_bytes="100"), OLD).hint == "a hint"


def test_how_old_a_record_may_be() -> None:
    assert oldest_allowed_ms({}) == NEVER
    assert oldest_allowed_ms({"message.timestamp.before.max.ms": "5", "message.timestamp.difference.max.ms": str(NEVER)}) == 5
    assert oldest_allowed_ms({"message.timestamp.before.max.ms": "5", "message.timestamp.type": "LogAppendTime"}) == NEVER


class DeletedTopics(FakeTopics):
    def partitions(self, _name: str) -> dict[int, Any]:
        return {}


@pytest.mark.parametrize("code", ["UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_MSG_TIMED_OUT"])
def test_a_topic_that_was_deleted(code: str) -> None:
    error = failed_with(code, DeletedTopics(), NEW)
    assert (type(error), str(error)) == (Outage, "Kafka: topic t was deleted, with the messages in it.")
    assert "creates what is missing" in error.hint
    assert str(failed_with("UNKNOWN_TOPIC_OR_PART", FakeTopics(), NEW)) == "Kafka: a transaction failed"


def test_of_a_position_topic_that_was_deleted_nobody_says_that_it_is_created() -> None:
    error = failed_with("UNKNOWN_TOPIC_OR_PART", DeletedTopics(), Message("t", b"1", b"{}", NEW.timestamp_ms, POSITION))
    assert "on_position_lost" in error.hint
    assert "creates" not in error.hint


class UnseenTopics(DeletedTopics):
    """A topic that this principal may no longer see."""

    def exists(self, _name: str) -> bool:
        raise UnseenTopic("not to know")


class TroubledTopics(DeletedTopics):
    """A topic that Kafka lists with an error, and so without partitions."""

    def exists(self, _name: str) -> bool:
        return True


@pytest.mark.parametrize("topics", [UnseenTopics(), TroubledTopics()], ids=["unseen", "in trouble"])
@pytest.mark.parametrize("code", ["UNKNOWN_TOPIC_OR_PART", "_MSG_TIMED_OUT"])
def test_a_topic_without_partitions_need_not_be_deleted(code: str, topics: FakeTopics) -> None:
    assert str(failed_with(code, topics, NEW)) == "Kafka: a transaction failed"
