"""Options, properties and environment variables of a consumer."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.consumer import (
    AsyncDatabaseChangeConsumer,
    ConsumerOptions,
    DatabaseChangeConsumer,
)
from watcher.consumer.connection import consumer_properties
from watcher.consumer.environment import read_environment
from watcher.errors import ConfigurationError


@pytest.mark.parametrize(
    "options",
    [
        {"on_error": "ignore"},
        {"on_foreign": "drop"},
        {"on_hang": "kill"},
        {"attempts": 0},
        {"backoff_ms": -1},
        {"buffer_bytes": 0},
        {"hang_after_ms": 0},
        {"topic_template": "{db}.{collection}"},
        {"topic_template": "{Database}.{collection}"},
        {"topic_template": "{database}.{collection"},
    ],
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ConsumerOptions(**options)


@pytest.mark.parametrize("name", ["enable.auto.commit", "isolation.level", "group.id", "bootstrap.servers"])
def test_properties_that_are_ours(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        DatabaseChangeConsumer("b", "g", ["t"], kafka={name: "x"})


def test_arguments_that_are_empty() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        DatabaseChangeConsumer("b", "", ["t"])
    with pytest.raises(ValueError, match="must not be empty"):
        DatabaseChangeConsumer("b", "g", [])
    with pytest.raises(ValueError, match="size"):
        DatabaseChangeConsumer("b", "g", ["t"]).on_batch("users", size=0)


@pytest.mark.parametrize("options", [ConsumerOptions(), ConsumerOptions(dead_letter_topic="dead")])
def test_its_own_dead_letters_are_no_source(options: ConsumerOptions) -> None:
    with pytest.raises(ValueError, match="dead letters"):
        DatabaseChangeConsumer("b", "g", ["t", options.dead_letter_topic or "g.dead-letter"], options=options)


def test_topics_that_patterns_leave_out() -> None:
    found = consumer_properties("b", "g", {"topic.blacklist": "^private"}, "g-1.dead")
    assert found["topic.blacklist"] == "^private,^g-1[.]dead$"
    assert consumer_properties("b", "g", {}, "dead")["topic.blacklist"] == "^dead$"


def test_the_guides_variables() -> None:
    found = read_environment({"KAFKA_GROUP_ID": "g"})
    defaults = ["database.insert", "database.update", "database.delete", "database.control"]
    assert found == ("localhost:9092", "g", defaults, {})
    own = {"KAFKA_BROKERS": "k:1", "KAFKA_GROUP_ID": "g", "KAFKA_TOPIC_INSERT": "i", "KAFKA_TOPIC_CONTROL": "c"}
    assert read_environment({**own, "KAFKA": '{"security.protocol": "SSL"}'}) == (
        "k:1",
        "g",
        ["i", "database.update", "database.delete", "c"],
        {"security.protocol": "SSL"},
    )


def test_one_topic_for_all_that_have_none_of_their_own() -> None:
    shared = {"KAFKA_GROUP_ID": "g", "KAFKA_DB_CHANGES_TOPIC": "all"}
    assert read_environment(shared).topics == ["all", "database.control"]
    assert read_environment({**shared, "KAFKA_TOPIC_DELETE": "d"}).topics == ["all", "d", "database.control"]
    assert read_environment({**shared, "KAFKA_TOPIC_DELETE": ""}).topics == ["all", "database.control"]
    assert read_environment({**shared, "KAFKA_DB_CHANGES_TOPIC": "^[a-z]{3}$"}).topics == ["^[a-z]{3}$", "database.control"]


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "KAFKA_GROUP_ID"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA": "[]"}, "JSON object"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA": "{"}, "JSON object"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA_TOPIC_INSERT": "{database}.insert"}, "cannot subscribe"),
        ({"KAFKA_GROUP_ID": "g", "KAFKA_TOPIC_INSERT": "^{database}.insert$"}, "cannot subscribe"),
    ],
)
def test_variables_that_cannot_be(environment: dict[str, str], text: str) -> None:
    for kind in (DatabaseChangeConsumer, AsyncDatabaseChangeConsumer):
        with pytest.raises(ConfigurationError, match=text) as failure:
            kind.from_env(environment)
        assert failure.value.hint


def test_a_schema_registry_is_checked() -> None:
    assert ConsumerOptions(schema_registry={"url": "http://localhost:8081", "timeout": "3"}).schema_registry == {
        "url": "http://localhost:8081",
        "timeout": 3,
    }
    with pytest.raises(ValueError, match=r"schema_registry: uri: is no property .*"):
        ConsumerOptions(schema_registry={"uri": "http://localhost:8081"})
    with pytest.raises(ValueError, match="needs a url"):
        ConsumerOptions(schema_registry={})
