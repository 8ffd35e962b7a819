"""Properties of `[kafka]` that would make a worker wait for ever: raised, and never refused or lowered."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.config import Settings
from watcher.config.fault import Invalid
from watcher.config.kafka.librdkafka_limits import LEAST, within_limits
from watcher.config.kafka.librdkafka_refusals import refused_by_librdkafka
from watcher.config.kafka_client import client_properties, producer_properties


def settings(**kafka: Any) -> Settings:
    return Settings(name="a", mongodb_uri="mongodb://h/db", kafka_brokers="h", kafka_client_id="a", kafka=kafka)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"socket.timeout.ms": 10}, 5_000),
        ({"socket.timeout.ms": "10"}, 5_000),
        ({"socket.timeout.ms": 9}, 9),  # librdkafka refuses it
        ({"socket.timeout.ms": 6_000}, 6_000),
        ({"socket.timeout.ms": 10, "transaction.timeout.ms": 1_000}, 1_000),
        ({"message.timeout.ms": 1}, 5_000),
        ({"message.timeout.ms": 0}, 0),  # no limit
        ({"topic.message.timeout.ms": 1}, 5_000),
        ({"delivery.timeout.ms": 1}, 5_000),
        ({"request.timeout.ms": "soon"}, "soon"),
        ({"api.version.request.timeout.ms": 1}, 5_000),
        ({"connections.max.idle.ms": 1}, 5_000),
        ({"connections.max.idle.ms": 0}, 0),
        ({"receive.message.max.bytes": 1_000}, 10_000_000),
        ({"queue.buffering.max.messages": 1}, 100_000),
        ({"queue.buffering.max.messages": 0}, 0),
        ({"queue.buffering.max.kbytes": 1}, 4_096 + 977),
        ({"queue.buffering.max.kbytes": 8_192, "message.max.bytes": 10_240_000}, 4_096 + 10_001),
    ],
)
def test_what_would_make_a_worker_wait_for_ever_is_raised(given: dict[str, Any], taken: object) -> None:
    assert next(iter(within_limits(given).values())) == taken


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("transaction", [{}, {"transaction.timeout.ms": 1_000, "message.timeout.ms": 1_000}])
def test_librdkafka_takes_each_limit(name: str, transaction: dict[str, int]) -> None:
    properties = {**transaction, name: 1_000}
    assert list(refused_by_librdkafka(properties, lambda some: producer_properties(some, "x"))) == []


def test_all_clients_have_the_limits() -> None:
    short = settings(**{"socket.timeout.ms": 10, "queue.buffering.max.messages": 1})
    assert client_properties(short)["socket.timeout.ms"] == 5_000
    producer = producer_properties(short.kafka, "a")
    assert (producer["socket.timeout.ms"], producer["queue.buffering.max.messages"]) == (5_000, 100_000)


def test_a_watcher_cannot_hide_topics_from_itself() -> None:
    with pytest.raises(Invalid) as caught:
        settings(**{"topic.blacklist": "database.*"})
    ((refused),) = caught.value.refusals
    assert refused.key == "kafka.topic.blacklist"
    assert "its own topics" in refused.hint
