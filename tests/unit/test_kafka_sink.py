"""The sink after a failed write, and for a standby; the rest of it is tested on a broker."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.doctoring import as_settings
from watcher.errors import ConfigurationError, Outage
from watcher.kafka import sink as module
from watcher.kafka.position import Saved
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.sink import KafkaSink
from watcher.model import Delivered, Message, Owner, Position

SETTINGS = {"mongodb_uri": "mongodb://127.0.0.1/dashboard", "kafka_brokers": "127.0.0.1:1", "kafka_client_id": "dashboard-watcher"}


class FailingWriter:
    """A writer that Kafka does not answer."""

    closed = False

    def write(self, *_: Any) -> None:
        raise Outage("Kafka does not answer", component="kafka", code="_TIMED_OUT")

    def close(self) -> None:
        self.closed = True


def test_the_producer_is_dropped_before_kafka_is_asked_for_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would still be there when a broker that was away comes back, and send again what was given up."""
    sink, writer, seen = KafkaSink(as_settings(SETTINGS), Owner("ours", "here", 1), Delivered()), FailingWriter(), []
    sink._writer, sink._destinations.topics = writer, None  # type: ignore[assignment]  # stand-ins

    def reason(error: Outage, *_: Any) -> Outage:
        seen.append(writer.closed)
        return error

    monkeypatch.setattr(module, "reason", reason)
    with pytest.raises(Outage):
        sink._write((), Message("dashboard-watcher.position", b"position", b"{}", 0, "position"))
    assert seen == [True]


def test_a_standby_sees_that_the_position_belongs_to_another_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be too late after a takeover, when the host that could have gone on is dead."""
    saved = Saved(Position("elsewhere", Owner("theirs", "there", 2), token={"_data": "82"}))
    monkeypatch.setattr(PositionReader, "read_so_far", lambda _: saved)
    with pytest.raises(ConfigurationError, match="belongs to database elsewhere, not to dashboard"):
        KafkaSink(as_settings(SETTINGS), Owner("ours", "here", 1), Delivered()).look()


@pytest.mark.parametrize("code", ["UNKNOWN_TOPIC_OR_PART", "UNKNOWN_LEADER_EPOCH"])
def test_a_standby_looks_again_where_a_topic_or_its_leader_is_new(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: PositionReader) -> Saved:
        raise Outage("not heard of", hint="", component="kafka", code=code)

    monkeypatch.setattr(PositionReader, "read_so_far", fails)
    assert KafkaSink(as_settings(SETTINGS), Owner("ours", "here", 1), Delivered()).look() is None
