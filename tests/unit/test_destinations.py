"""Lines of the log about topics that are created; the rest of destinations is tested on a broker."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import pytest

from tests.support.plain_settings import settings as plain_settings
from watcher.errors import ConfigurationError, NameTaken
from watcher.kafka import destinations as module
from watcher.kafka.destinations import Destinations


class FakeTopics:
    """Topics that create what is not in `there`."""

    there: set[str]

    def __init__(self, _settings: Any, _on_error: Any, on_created: Any = lambda _: None) -> None:
        self._on_created = on_created

    def ensure(self, names: Collection[str]) -> None:
        if missing := sorted({*names} - self.there):
            self.there.update(missing)
            self._on_created(missing)

    ensure_configured = ensure

    def ensure_position_topic(self) -> None:
        self.ensure(["dashboard-watcher.position"])

    def max_message_bytes(self, _name: str) -> int:
        return 1_000_000


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return lines


def test_a_topic_that_was_there_and_is_missing_was_deleted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "Topics", FakeTopics)
    FakeTopics.there = {f"database.{operation}" for operation in ("insert", "update", "control")}
    settings = plain_settings(**dict.fromkeys(["kafka_topic_insert"], "database.insert"))
    destinations = Destinations(settings, lambda _: None)
    destinations.open(settings)
    (created,) = [text for level, text in told(caplog) if level == "INFO" and "position" not in text]
    assert created.startswith("topics created: ")
    destinations.prepare(["users"])
    destinations.open(settings)
    assert told(caplog) == [("INFO", "topics created: users")]
    FakeTopics.there -= {"users", "database.insert"}
    destinations.open(settings)
    destinations.prepare(["users"])
    assert told(caplog) == [
        ("WARNING", f"topic {name} was deleted, and is created again; the messages that were in it are gone")
        for name in ("database.insert", "users")
    ]


def test_a_name_that_kafka_refuses_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class RefusingTopics(FakeTopics):
        def ensure_configured(self, names: Collection[str]) -> None:
            asked.extend({*names} & {"a_b", "new", "good"})
            if "a_b" in names:
                raise NameTaken("collides", hint="Another name.")
            if "new" in names:
                raise ConfigurationError("Replication factor: 3 larger than available brokers: 1.")

    RefusingTopics.there = set()
    monkeypatch.setattr(module, "Topics", RefusingTopics)
    settings = plain_settings()
    destinations = Destinations(settings, lambda _: None)
    for _ in range(2):
        destinations.open(settings)  # which forgets the answers
        for _ in range(3):
            with pytest.raises(NameTaken, match="collides") as caught:
                destinations.ensured("a_b")
            assert caught.value.hint == "Another name."
            assert destinations.ensured("good") == "good"
    assert asked == ["a_b", "good"] * 2
    for _ in range(2):  # not of the name: it may be mended meanwhile
        with pytest.raises(ConfigurationError, match="Replication factor"):
            destinations.ensured("new")
    assert asked[4:] == ["new", "new"]
