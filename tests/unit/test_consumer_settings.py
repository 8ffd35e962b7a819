"""Topics, the dead-letter topic and librdkafka's properties: what would lose messages without a word is refused."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException

from watcher.consumer import AsyncDatabaseChangeConsumer, ConsumerOptions, DatabaseChangeConsumer
from watcher.consumer.connection import (
    OWNED,
    TOPIC_LEVEL,
    common_properties,
    consumer_properties,
    flattened,
    is_incremental,
    reset_of,
)
from watcher.consumer.offsets.reset import Reset

NO_DEAD_LETTERS = ConsumerOptions(on_error="stop", on_foreign="skip")


@pytest.mark.parametrize("group_id", ["urn:team:svc", "g" * 245, "team/svc", "größe", "a b"])
def test_a_group_whose_dead_letters_could_not_be_written(group_id: str) -> None:
    for make in (DatabaseChangeConsumer, AsyncDatabaseChangeConsumer):
        with pytest.raises(ValueError, match="Set the option dead_letter_topic"):
            make("b", group_id, ["t"])
        make("b", group_id, ["t"], options=ConsumerOptions(dead_letter_topic="dead"))
        make("b", group_id, ["t"], options=NO_DEAD_LETTERS)


@pytest.mark.parametrize("name", ["not a topic's name", ".", "..", "d" * 250])
def test_a_dead_letter_topic_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match="the dead letters cannot go to"):
        DatabaseChangeConsumer("b", "g", ["t"], options=ConsumerOptions(dead_letter_topic=name))


def test_the_longest_group_with_dead_letters() -> None:
    DatabaseChangeConsumer("b", "g" * 237, ["t"])


def test_a_dead_letter_topic_that_kafka_takes_for_another() -> None:
    with pytest.raises(ValueError, match="Kafka takes it for a_b"):
        DatabaseChangeConsumer("b", "g", ["a_b"], options=ConsumerOptions(dead_letter_topic="a.b"))


@pytest.mark.parametrize("topic", ["", "a,b", "dashboard.{collection}", "t" * 250, ".", "a b"])
def test_a_topic_that_can_never_be_there(topic: str) -> None:
    with pytest.raises(ValueError, match="there can be no topic"):
        DatabaseChangeConsumer("b", "g", ["t", topic])


def test_patterns_may_hold_anything() -> None:
    DatabaseChangeConsumer("b", "g", [r"^dashboard\..*\.(insert|update)$"])


@pytest.mark.parametrize("name", sorted(OWNED))
def test_properties_that_are_ours(name: str) -> None:
    forms: list[dict[str, Any]] = [{name: "x"}, {"default.topic.config": {name: "x"}}]
    if name in TOPIC_LEVEL:
        forms += [{f"topic.{name}": "x"}, {"default.topic.config": {f"topic.{name}": "x"}}]
    for kafka in forms:
        with pytest.raises(ValueError, match=f"{name} cannot be set: "):
            DatabaseChangeConsumer("b", "g", ["t"], kafka=kafka)


@pytest.mark.parametrize("name", ["none", "earlest", "", "-1"])
def test_a_reset_that_there_is_not(name: str) -> None:
    with pytest.raises(ValueError, match=r"auto\.offset\.reset must be one of earliest"):
        DatabaseChangeConsumer("b", "g", ["t"], kafka={"auto.offset.reset": name})


@pytest.mark.parametrize(
    "kafka", [{"topic.auto.offset.reset": "latest"}, {"default.topic.config": {"topic.auto.offset.reset": "latest"}}]
)
def test_a_reset_under_its_other_name(kafka: dict[str, Any]) -> None:
    """librdkafka takes a topic's properties with `topic.` before the name too, and what it is given last."""
    assert reset_of(kafka) is Reset.LATEST
    made = consumer_properties("127.0.0.1:1", "g", kafka, "dead")
    assert made["auto.offset.reset"] == "latest"
    assert "topic.auto.offset.reset" not in made
    with pytest.raises(ValueError, match=r"auto\.offset\.reset must be one of earliest"):
        DatabaseChangeConsumer("b", "g", ["t"], kafka={"topic.auto.offset.reset": "none"})


@pytest.mark.parametrize("inside", [False, True])
def test_two_names_with_two_values(inside: bool) -> None:
    both = {"topic.auto.offset.reset": "latest", "auto.offset.reset": "earliest"}
    with pytest.raises(ValueError, match=r"topic\.auto\.offset\.reset and auto\.offset\.reset are the same property"):
        DatabaseChangeConsumer("b", "g", ["t"], kafka={"default.topic.config": both} if inside else both)


def _is_unknown(name: str) -> bool:
    try:
        Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", name: "no value has this form"}).close()
    except KafkaException as error:
        return "No such configuration property" in error.args[0].str()
    return False


def test_the_properties_of_topics_are_librdkafkas() -> None:
    """Each of them is taken with `topic.` before its name, and other properties are not: those stay as they are."""
    assert not [name for name in TOPIC_LEVEL if _is_unknown(f"topic.{name}")]
    others = {
        "topic.metadata.refresh.interval.ms": 500,
        "topic.blacklist": "^a$",
        "topic.sasl.username": "u",
        "topic.bootstrap.servers": "b",
    }
    assert flattened(others) == others
    assert _is_unknown("topic.sasl.username")


def test_all_names_of_resets_are_librdkafkas() -> None:
    for reset in Reset:
        for name in reset.value:
            Consumer(consumer_properties("127.0.0.1:1", "g", {"auto.offset.reset": name.upper()}, "dead")).close()
            assert Reset.of(name.upper()) is reset


def test_a_topic_that_the_users_blacklist_hides() -> None:
    with pytest.raises(ValueError, match="hides users"):
        DatabaseChangeConsumer("b", "g", ["orders", "users"], kafka={"topic.blacklist": "^a$,^us"})
    DatabaseChangeConsumer("b", "g", ["orders"], kafka={"topic.blacklist": "^a$,^us,("})


@pytest.mark.parametrize(
    "properties",
    [
        {"group.protocol": "consumer"},
        {"group.protocol": "CONSUMER", "group.remote.assignor": "uniform"},
        {"max.poll.interval.ms": 6000},
        {"max.poll.interval.ms": "6000"},
        {"partition.assignment.strategy": "cooperative-sticky", "group.instance.id": "i"},
        {"default.topic.config": {"auto.offset.reset": "latest"}},
    ],
)
def test_nothing_of_ours_contradicts_what_the_user_sets(properties: dict[str, Any]) -> None:
    made = consumer_properties("127.0.0.1:1", "g", properties, "dead")
    Consumer(made).close()
    flat = {**properties, **properties.get("default.topic.config", {})}
    flat.pop("default.topic.config", None)
    assert flat.items() <= made.items()


def test_documents_stay_whole_under_either_protocol() -> None:
    classic = consumer_properties("b", "g", {}, "dead")
    assert (classic["partition.assignment.strategy"], classic["session.timeout.ms"]) == ("range", 10_000)
    modern = consumer_properties("b", "g", {"group.protocol": "consumer"}, "dead")
    assert modern["group.remote.assignor"] == "range"
    assert not modern.keys() & {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"}


def test_rebalances_one_partition_at_a_time() -> None:
    assert [is_incremental(each) for each in ({}, {"group.protocol": "consumer"}, {"partition.assignment.strategy": "range"})] == [
        False,
        True,
        False,
    ]
    assert is_incremental({"partition.assignment.strategy": "cooperative-sticky"})


def test_a_login_by_callback_holds_for_every_client() -> None:
    assert common_properties("b", {"oauth_cb": print, "fetch.min.bytes": 1}) == {"oauth_cb": print, "bootstrap.servers": "b"}
