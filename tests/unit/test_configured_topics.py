"""`check` refuses topics that cannot be side by side, or are for something else: in one watcher, and across watchers."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config import Settings, load


def faults(tmp_path: Path, **watchers: str) -> dict[str, list[str]]:
    """By watcher, the faults of settings that are given as lines of TOML."""
    for name, lines in watchers.items():
        settings = {"mongodb_uri": f"mongodb://h/{name}", "kafka_client_id": name, "kafka_brokers": "k:9092"}
        common = [f'{key} = "{value}"' for key, value in settings.items() if key not in lines]
        (tmp_path / f"{name}.toml").write_text("\n".join([*common, lines]))
    loaded = load(tmp_path, {})
    assert set(loaded.watchers).isdisjoint(loaded.broken)
    return {name: [str(fault) for fault in loaded.broken.get(name, ())] for name in loaded.names}


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        ('kafka_topic_control = "__consumer_offsets"', "kafka_topic_control", "one of Kafka's own topics"),
        ('kafka_topic_control = "__transaction.state"', "kafka_topic_control", "one of Kafka's own topics"),
        ('kafka_topic_delete = "__share_group_state"', "kafka_topic_delete", "one of Kafka's own topics"),
        ('kafka_db_changes_topic = "__cluster_metadata"', "kafka_db_changes_topic", "one of Kafka's own topics"),
        ('kafka_topic_control = "shop.position"', "kafka_client_id", "is where the position is kept"),
        ('kafka_topic_control = "{database}.position"', "kafka_client_id", "is where the position is kept"),
        ('kafka_topic_insert = "shop_position"', "kafka_client_id", "is where the position is kept"),
        ('kafka_topic_insert = "a.b"\nkafka_topic_delete = "a_b"', "kafka_topic_delete", "differ only in . and _"),
        ('kafka_topic_control = "database_insert"', "kafka_topic_control", "differ only in . and _"),
        ('kafka_topic_insert = "database_control"', "kafka_topic_insert", "differ only in . and _"),
        (
            'kafka_db_changes_topic = "x.{operation}"\nkafka_topic_control = "x_insert"',
            "kafka_topic_control",
            "differ only in . and _",
        ),
        (
            'kafka_topic_insert = "x.{collection}"\nkafka_topic_delete = "x_{collection}"',
            "kafka_topic_delete",
            "differ only in . and _",
        ),
    ],
)
def test_topics_of_one_watcher(tmp_path: Path, lines: str, key: str, words: str) -> None:
    found = faults(tmp_path, shop=lines)["shop"]
    assert len(found) == 1, found
    assert f" {key}: " in found[0]
    assert words in found[0]


@pytest.mark.parametrize(
    "lines",
    [
        'kafka_db_changes_topic = "all"\nkafka_topic_control = "all"',
        'kafka_db_changes_topic = "{database}.{collection}"',
        'kafka_topic_insert = "x.{operation}"\nkafka_topic_delete = "x.{operation}"',
        'kafka_topic_insert = "__mine"',
    ],
)
def test_topics_that_may_be(tmp_path: Path, lines: str) -> None:
    assert faults(tmp_path, shop=lines) == {"shop": []}


def test_watchers_may_share_topics(tmp_path: Path) -> None:
    assert faults(tmp_path, shop="", crm="") == {"shop": [], "crm": []}


def test_another_watchers_position(tmp_path: Path) -> None:
    found = faults(tmp_path, shop='kafka_topic_control = "crm.position"', crm="")
    assert found["crm"] == []
    assert "kafka_topic_control: 'crm.position' is where crm keeps its position" in found["shop"][0]


def test_another_watchers_position_but_for_its_dot(tmp_path: Path) -> None:
    found = faults(tmp_path, shop='kafka_topic_insert = "crm_{operation}"\nkafka_db_changes_topic = "crm_position"', crm="")
    assert found["crm"] == []
    assert "'crm_position' is where crm keeps its position" in found["shop"][0]
    assert "kafka_db_changes_topic" in found["shop"][0]


def test_another_watchers_topic_but_for_its_dot(tmp_path: Path) -> None:
    found = faults(tmp_path, shop='kafka_topic_insert = "crm_changes"', crm='kafka_topic_insert = "crm.changes"')
    assert ["'crm_changes' and 'crm.changes' of crm differ" in fault for fault in found["shop"]] == [True]
    assert ["'crm.changes' and 'crm_changes' of shop differ" in fault for fault in found["crm"]] == [True]


def test_client_ids_that_differ_only_in_a_dot(tmp_path: Path) -> None:
    found = faults(tmp_path, shop='kafka_client_id = "a.b"', crm='kafka_client_id = "a_b"')
    assert ["kafka_client_id: 'a.b.position' and 'a_b.position'" in fault for fault in found["shop"]] == [True]
    assert len(found["crm"]) == 1


def test_another_kafka_is_another_matter(tmp_path: Path) -> None:
    assert faults(tmp_path, shop='kafka_topic_control = "crm.position"', crm='kafka_brokers = "other:9092"') == {
        "shop": [],
        "crm": [],
    }


def test_the_topics_of_hundreds_of_watchers_are_made_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were made for each pair: every command took seconds then."""
    made: list[str] = []
    once = Settings.configured_topics
    assert isinstance(once, property)
    monkeypatch.setattr(Settings, "configured_topics", property(lambda ours: made.append(ours.name) or once.__get__(ours)))
    names = [f"w{number}" for number in range(20)]
    assert faults(tmp_path, **dict.fromkeys(names, "")) == {name: [] for name in names}
    assert sorted(made) == sorted(names)


def test_documents_of_two_databases_in_one_topic(tmp_path: Path) -> None:
    one, other = (f'envelope = "{envelope}"\nkafka_db_changes_topic = "all.{{collection}}"' for envelope in ("document", "mongodb"))
    found = faults(tmp_path, shop=one, crm=other, apart='envelope = "document"')
    assert found["apart"] == []
    assert ["'all.{collection}' is also the topic of crm" in fault for fault in found["shop"]] == [True]
    assert ["kafka_db_changes_topic: 'all.{collection}' is also the topic of shop" in fault for fault in found["crm"]] == [True]
    second = 'mongodb_uri = "mongodb://h/shop"\n' + one
    assert faults(tmp_path, shop=one, crm="", second=second)["shop"] == []  # other collections of the same database


@pytest.mark.parametrize("form", ["debezium", "mongodb", "document"])
def test_documents_of_two_collections_of_one_database_in_one_topic(form: str, tmp_path: Path) -> None:
    def watcher(collection: str, topic: str = "t") -> str:
        return (
            f'mongodb_uri = "mongodb://h/shop"\nwatch_collections = ["{collection}"]\nkafka_db_changes_topic = "{topic}"\n'
            f'envelope = "{form}"\n' + ("" if form == "document" else '[topic_config]\n"cleanup.policy" = "compact"\n')
        )

    found = faults(tmp_path, a=watcher("orders"), b=watcher("users"))
    assert [["names its collection" in fault for fault in found[name]] for name in "ab"] == [[True], [True]]
    assert faults(tmp_path, a=watcher("orders"), b=watcher("orders")) == {"a": [], "b": []}
    each = "t.{collection}"
    assert faults(tmp_path, a=watcher("orders", each), b=watcher("users", each)) == {"a": [], "b": []}


def test_a_compacted_topic_of_two_databases(tmp_path: Path) -> None:
    shared = 'envelope = "debezium"\nkafka_db_changes_topic = "all.{collection}"\n'
    compacted = shared + '[topic_config]\n"cleanup.policy" = "compact"\n'
    found = faults(tmp_path, shop=compacted, crm=shared)
    assert [["nothing in a key names its database" in fault for fault in found[name]] for name in ("shop", "crm")] == [
        [True],
        [True],
    ]
    assert faults(tmp_path, shop=shared, crm=shared) == {"shop": [], "crm": []}
