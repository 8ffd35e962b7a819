"""The settings of envelopes: what follows from one, and what does not go with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plain_settings import refusal, settings
from watcher.messages.envelopes import ENVELOPES
from watcher.operations import ROW_OPERATIONS

OTHERS = [name for name in ENVELOPES if name != "generic"]
EACH = pytest.mark.parametrize("envelope", OTHERS)


def test_the_generic_envelope_brings_nothing() -> None:
    plain = settings()
    assert (plain.envelope, plain.json_format, plain.kafka_headers, plain.cloudevents) == ("generic", "plain", False, False)
    assert plain == settings(envelope="generic")


@EACH
def test_an_envelope_brings_a_topic_for_each_collection_and_headers(envelope: str) -> None:
    topics = settings(envelope=envelope).topic_templates
    assert {topics[operation] for operation in ROW_OPERATIONS} == {"{database}.{collection}"}
    assert topics["control"] == "database.control"
    assert settings(envelope=envelope).kafka_headers


@pytest.mark.parametrize(("envelope", "json_format"), [("document", "plain"), ("debezium", "strict"), ("mongodb", "strict")])
def test_an_envelope_brings_the_dialect_of_its_peer(envelope: str, json_format: str) -> None:
    assert settings(envelope=envelope).json_format == json_format


@EACH
def test_what_is_set_wins(envelope: str) -> None:
    changes = settings(envelope=envelope, kafka_db_changes_topic="shop.{collection}", kafka_headers=True)
    assert {changes.topic_templates[operation] for operation in ROW_OPERATIONS} == {"shop.{collection}"}
    assert settings(envelope="mongodb", json_format="plain").json_format == "plain"
    assert settings(envelope="mongodb", json_format="canonical").json_format == "canonical"


@EACH
@pytest.mark.parametrize(
    "topics",
    [{"kafka_topic_delete": "gone"}, {"kafka_db_changes_topic": "{collection}.{operation}"}],
    ids=["another", "by operation"],
)
def test_a_tombstone_must_follow_its_document(envelope: str, topics: dict[str, str]) -> None:
    assert "a tombstone must follow its document" in refusal(envelope=envelope, **topics)


@EACH
@pytest.mark.parametrize(
    "topics",
    [
        {"kafka_topic_control": "dashboard.control"},
        {"kafka_db_changes_topic": "database.{collection}"},
        {"kafka_topic_control": "{database}.{operation}"},
    ],
)
def test_no_control_messages_among_documents(envelope: str, topics: dict[str, str]) -> None:
    assert "is among the topics of documents" in refusal(envelope=envelope, **topics)


def test_a_topic_of_documents_is_one_collections() -> None:
    assert "'document' needs a topic for each collection" in refusal(envelope="document", kafka_db_changes_topic="all")
    assert "'document' needs" in refusal(envelope="document", kafka_db_changes_topic="all", watch_collections=["u*"])
    settings(envelope="document", kafka_db_changes_topic="users", watch_collections=["users"])
    for envelope in ("debezium", "mongodb"):  # whose messages name the collection
        settings(envelope=envelope, kafka_db_changes_topic="all")


@pytest.mark.parametrize("envelope", ["debezium", "mongodb"])
def test_a_compacted_topic_is_one_collections(envelope: str) -> None:
    compacted = {"envelope": envelope, "topic_config": {"cleanup.policy": "compact,delete"}}
    assert "topic_config: cannot compact 'all'" in refusal(**compacted, kafka_db_changes_topic="all")
    several = {"mongodb_uri": "mongodb://localhost", "watch_databases": ["a", "b"], "kafka_topic_control": "control"}
    assert "more than one database" in refusal(**compacted, **several, kafka_db_changes_topic="all.{collection}")
    settings(**compacted)
    settings(**compacted, kafka_db_changes_topic="users", watch_collections=["users"])
    settings(envelope=envelope, topic_config={"cleanup.policy": "delete"}, kafka_db_changes_topic="all")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"envelope": "document", "full_document": "default"}, "cannot be default with envelope"),
        ({"envelope": "document", "full_document_before_change": "required"}, "must be off with envelope"),
        ({"envelope": "debezium", "json_format": "plain"}, "Debezium writes no other than strict"),
        ({"json_format": "canonical"}, "it is for readers of the messages of MongoDB's connector"),
        ({"envelope": "document", "json_format": "canonical"}, "it is for readers of the messages of MongoDB's connector"),
        ({"envelope": "debezium", "json_format": "canonical"}, "Debezium writes no other than strict"),
        ({"envelope": "mongodb", "kafka_headers": False}, "no other place for its sequence"),
        ({"envelope": "debezium", "transform": "shape:shorten"}, "transform: cannot be set with envelope"),
        ({"envelope": "mongodb", "transform": "shape:shorten"}, "transform: cannot be set with envelope"),
        ({"envelope": "debezum"}, "must be one of generic, document, debezium, mongodb"),
        ({"envelope": ["debezium"]}, "must be one of"),
        ({"topic_config": {"cleanup.policy": ["compact"]}}, "must be text, a number, true or false"),
    ],
)
def test_what_does_not_go_together(changes: dict[str, Any], text: str) -> None:
    assert text in refusal(**changes)


def test_topic_config_is_text_for_kafka() -> None:
    given = {"cleanup.policy": "compact", "retention.ms": 3_600_000, "preallocate": True, "min.cleanable.dirty.ratio": 0.5}
    assert settings(topic_config=given).topic_config == {
        "cleanup.policy": "compact",
        "retention.ms": "3600000",
        "preallocate": "true",
        "min.cleanable.dirty.ratio": "0.5",
    }
