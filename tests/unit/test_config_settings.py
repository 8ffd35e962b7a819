"""The settings: topics, collections, and what each value may be."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.plain_settings import refusal, settings
from watcher.config.fault import Invalid


def test_nothing_set_gives_the_guides_topics() -> None:
    assert settings().topic_templates == {
        "insert": "database.insert",
        "update": "database.update",
        "replace": "database.update",
        "delete": "database.delete",
        "control": "database.control",
    }


def test_shared_topic_takes_the_operations_without_one() -> None:
    topics = settings(kafka_db_changes_topic="database.changes", kafka_topic_delete="gone", kafka_topic_update="").topic_templates
    assert topics == {
        "insert": "database.changes",
        "update": "database.changes",
        "replace": "database.changes",
        "delete": "gone",
        "control": "database.control",
    }


@pytest.mark.parametrize("empty", ["kafka_topic_insert", "kafka_topic_control", "kafka_db_changes_topic"])
def test_empty_topic_is_not_set(empty: str) -> None:
    assert settings(**{empty: ""}).topic_templates == settings().topic_templates


@pytest.mark.parametrize("template", ["{database}.{collection}.{operation}", "a", "A-b_c.9", "x" * 249])
def test_topic_templates(template: str) -> None:
    assert settings(kafka_topic_insert=template).kafka_topic_insert == template


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a b", "a character that Kafka does not allow"),
        ("{collektion}", "unknown placeholder {collektion}"),
        ("{}", "unknown placeholder {}"),
        ("{database!r}", "unknown placeholder"),
        ("{database:>3}", "unknown placeholder"),
        ("{database", "a brace without its partner"),
        ("a}", "a brace without its partner"),
        ("{{a}}", "a character that Kafka does not allow"),
        ("..", "is not a topic name"),
        ("x" * 250, "is 250 characters long"),
        ("dashboard-watcher.position", "is where the position is kept"),
    ],
)
def test_topic_that_kafka_cannot_have(template: str, text: str) -> None:
    assert text in refusal(kafka_topic_insert=template)


def test_control_topic_cannot_depend_on_a_collection() -> None:
    assert "unknown placeholder {collection}" in refusal(kafka_topic_control="{collection}")


def test_position_topic_is_named_after_the_client_id() -> None:
    assert settings().position_topic == "dashboard-watcher.position"


@pytest.mark.parametrize(("given", "text"), [("a b", "one or more of"), ("", "one or more of"), ("x" * 241, "at most 240")])
def test_client_id_must_fit_into_a_topic_name(given: str, text: str) -> None:
    assert text in refusal(kafka_client_id=given)


@pytest.mark.parametrize(
    ("given", "brokers"),
    [
        ("a:1, b:2", "a:1,b:2"),
        (["a:1", "b"], "a:1,b"),
        ("[::1]:9092", "[::1]:9092"),
        ("PLAINTEXT://a:9092", "PLAINTEXT://a:9092"),
    ],
)
def test_brokers(given: Any, brokers: str) -> None:
    assert settings(kafka_brokers=given).kafka_brokers == brokers


@pytest.mark.parametrize("given", ["", " , ", "a:b", "a:0", "a:65536", "a b", 9092, ["a", 1], "u:hunter2@h:1"])
def test_brokers_that_are_none(given: Any) -> None:
    assert "hunter2" not in refusal(kafka_brokers=given)


@pytest.mark.parametrize("given", ["users, *_log ,", ["users", "*_log"]])
def test_collections_are_a_list_or_separated_by_commas(given: Any) -> None:
    assert settings(watch_collections=given, exclude_collections=given).watch_collections == ("users", "*_log")


@pytest.mark.parametrize(
    ("given", "text"),
    [("a[b", "open bracket"), ("!users", "exclude_collections"), ("us$ers", "does not allow"), ("system.views", "never watched")],
)
def test_patterns_that_match_nothing(given: str, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        settings(watch_collections=given)
    error = caught.value.refusals[0]
    assert text in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("collection", "watch", "exclude", "watched"),
    [
        ("users", (), (), True),
        ("users", ("users",), (), True),
        ("users", ("us*",), (), True),
        ("orders", ("us*",), (), False),
        ("users", ("users",), ("users",), False),
        ("users", (), ("us*",), False),
        ("Users", ("users",), (), False),
        ("system.views", (), (), False),
        ("system.views", ("*",), (), False),
        ("systems", (), (), True),
    ],
)
def test_which_collections_are_watched(collection: str, watch: tuple[str, ...], exclude: tuple[str, ...], watched: bool) -> None:
    assert settings(watch_collections=watch, exclude_collections=exclude).watches(collection) is watched


@pytest.mark.parametrize(
    ("brokers", "protocol"), [("SSL://a:9092", "ssl"), ("sasl_ssl://a:1,b:2", "SASL_SSL"), ("plaintext://[::1]:9092", "plaintext")]
)
def test_a_protocol_before_a_broker_is_that_of_the_kafka_table(brokers: str, protocol: str) -> None:
    assert settings(kafka_brokers=brokers, kafka={"security.protocol": protocol}).kafka_brokers == brokers


def test_brokers_that_librdkafka_would_pass_over() -> None:
    assert refusal(kafka_brokers="a:1,ssl://b:2") == "kafka_brokers: has ssl://b:2, but security.protocol in [kafka] is plaintext"
    assert "is sasl_ssl" in refusal(kafka_brokers="PLAINTEXT://b:2", kafka={"security.protocol": "sasl_ssl"})


def test_all_that_is_wrong_with_a_list_of_brokers() -> None:
    with pytest.raises(Invalid) as caught:
        settings(kafka_brokers="http://a:9092,b,c:70000,d;e,[1.2],é:٣,'f:1'")
    assert [(str(refused), refused.key) for refused in caught.value.refusals] == [
        (f"is not host:port: '{broker}'", "kafka_brokers")
        for broker in ("http://a:9092", "c:70000", "d;e", "[1.2]", "é:٣", "'f:1'")
    ]


def test_names_in_a_list_are_literal_and_text_is_trimmed() -> None:
    assert settings(watch_collections=["sp ", " sp", " ", ""]).watch_collections == ("sp ", " sp", " ")
    assert settings(watch_collections=" a , b ,, sp[ ]").watch_collections == ("a", "b", "sp[ ]")


@pytest.mark.parametrize(("pattern", "hint"), [(".users", ""), (".*", "globs are no regular expressions: * alone is all")])
def test_no_collection_begins_with_a_dot(pattern: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        settings(watch_collections=[pattern])
    assert [(str(refused), refused.hint) for refused in caught.value.refusals] == [
        (f"has '{pattern}', and MongoDB allows no name that begins with a dot", hint)
    ]


def test_system_collections_may_be_excluded() -> None:
    assert settings(exclude_collections="system.*").exclude_collections == ("system.*",)


@pytest.mark.parametrize(("given", "level"), [("warn", "warning"), ("DEBUG", "debug"), ("Info", "info"), ("error", "error")])
def test_log_level(given: str, level: str) -> None:
    assert settings(log_level=given).log_level == level


@pytest.mark.parametrize(("given", "size"), [("50", 50), (1, 1), (100_000, 100_000), ("1_000", 1000)])
def test_batch_size(given: Any, size: int) -> None:
    assert settings(batch_size=given).batch_size == size


@pytest.mark.parametrize("given", ["fifty", "", "5.0", 5.0, True, 0, 100_001, [1]])
def test_batch_size_that_is_no_number_of_events(given: Any) -> None:
    assert refusal(batch_size=given).startswith("batch_size: must be")


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("now", "now"),
        ("earliest", "earliest"),
        ("2024-01-01T12:00:00Z", datetime(2024, 1, 1, 12, tzinfo=UTC)),
        ("2024-01-01T12:00:00+02:00", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
    ],
)
def test_start_from(given: Any, start: Any) -> None:
    assert settings(start_from=given).start_from == start


@pytest.mark.parametrize("given", ["yesterday", "2024-01-01", "2024-01-01T12:00:00", datetime(2024, 1, 1), 5, ""])
def test_start_from_needs_a_zone(given: Any) -> None:
    assert "must be now, earliest or a time with its zone" in refusal(start_from=given)


@pytest.mark.parametrize(
    "given", ["0001-01-01T00:00:00+05:00", "1969-12-31T23:59:59Z", "2106-02-07T06:28:16Z", "9999-12-31T23:59:59Z"]
)
def test_start_at_a_time_that_mongodb_has_none_for(given: str) -> None:
    assert "must be now, earliest or a time with its zone" in refusal(start_from=given)


@pytest.mark.parametrize("key", ["topic_partitions", "topic_replication_factor"])
def test_zero_partitions_make_no_topic(key: str) -> None:
    assert settings(**{key: -1})
    assert "must be 1 or more" in refusal(**{key: 0})


@pytest.mark.parametrize(
    "name", ["acks", "transactional.id", "enable.idempotence", "bootstrap.servers", "topic.partitioner", "error_cb"]
)
def test_owned_properties_are_refused(name: str) -> None:
    assert "cannot be set in [kafka]" in refusal(kafka={name: "1"})


def test_other_properties_are_passed_through_with_their_types() -> None:
    properties = {
        "linger.ms": 5,
        "socket.keepalive.enable": True,
        "security.protocol": "SSL",
        "topic.metadata.refresh.fast.interval.ms": 1.5,
    }
    assert settings(kafka=properties).kafka == properties


def test_nothing_that_could_be_a_secret_is_in_the_text_of_settings() -> None:
    secret = settings(mongodb_uri="mongodb://u:hunter2@h/db", kafka={"sasl.password": "hunter2"})
    assert "hunter2" not in f"{secret!r} {secret}"
    assert "hunter2" not in refusal(mongodb_uri="mongodb://u:hunter2@h", kafka={"acks": "hunter2"})
    assert "hunter2" not in str(asdict(secret) | {"kafka": {}})


@pytest.mark.parametrize(
    "values",
    [{"mongodb_uri": "mongodb://u:\udcff@h/db"}, {"kafka_topic_insert": "\udcff"}, {"kafka": {"sasl.password": "\udcff"}}],
    ids=lambda values: next(iter(values)),
)
def test_bytes_that_are_no_text(values: dict[str, Any]) -> None:
    """An environment variable can hold them."""
    assert "holds bytes that are not UTF-8" in refusal(**values)
    assert "\udcff" not in refusal(**values)


def test_all_that_is_wrong_is_told_at_once_also_what_does_not_go_together() -> None:
    with pytest.raises(Invalid) as caught:
        settings(
            batch_size="x",
            watch_collections=["a[", "users", "$"],
            exclude_collections=5,
            exclude_fields="dashboard.users.a",
            kafka={"acks": 1, "linger.ms": [1], "a": 1},
            kafka_topic_control="dashboard-watcher.position",
        )
    assert [refused.key for refused in caught.value.refusals] == [
        "watch_collections",
        "watch_collections",
        "exclude_collections",
        "batch_size",
        "kafka.acks",
        "kafka.linger.ms",
        "kafka_client_id",
    ]


def test_they_stay_as_they_are() -> None:
    with pytest.raises(FrozenInstanceError):
        settings().batch_size = 1  # type: ignore[misc]  # that it cannot be set is what is tested


def test_a_changed_copy_is_checked_as_well() -> None:
    assert replace(settings(), batch_size=5) == settings(batch_size=5)
    with pytest.raises(Invalid):
        replace(settings(), batch_size=0)


def test_what_is_no_setting_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="batch_sise"):
        settings(batch_sise=1)


def test_a_lease_needs_transactions() -> None:
    assert refusal(high_availability=True, delivery="at-least-once").startswith(
        'high_availability: needs delivery = "exactly-once"'
    )
