"""The pure parts of `compare`: what the messages of both watchers tell, and which belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.bson_types import TYPES, Sample
from watcher.errors import ConfigurationError
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.verification.mapping import TopicMapping, load_mapping
from watcher.verification.normalizing import old_told, our_told
from watcher.verification.pairing import Pairing, Told, paired


def told(time_ms: int) -> Told:
    return Told("users", "update", "old", "1", time_ms, {})


def test_pairs_are_the_earliest_that_are_near_enough() -> None:
    pairs = paired([told(0), told(100), told(500)], [told(90), told(130), told(900)], 50)
    assert [(old and old.time_ms, ours and ours.time_ms) for old, ours in pairs] == [
        (0, None), (100, 90), (None, 130), (500, None), (None, 900),
    ]  # fmt: skip


MAPPING = TopicMapping.model_validate(
    {
        "collection": "users",
        "key": "user.id",
        "operation": {"field": "event", "values": {"created": "insert", "changed": "update"}},
        "time": "at",
        "fields": {"user.name": "fullDocument.name"},
    }
)


def test_what_an_old_message_tells() -> None:
    value = {"event": "changed", "at": "2024-01-01T12:00:00.001Z", "user": {"id": {"$oid": "65"}, "name": "Ada"}}
    expected = Told("users", "update", "t", "65", 1_704_110_400_001, {"fullDocument.name": "Ada"})
    assert old_told("t", MAPPING, None, value, 5) == expected
    assert old_told("t", MAPPING, None, value | {"event": "else"}, 5) is None
    assert old_told("t", MAPPING, None, value | {"at": "x"}, 5) is None
    assert old_told("t", MAPPING, None, "no object", 5) is None
    by_kafka = MAPPING.model_copy(update={"key": "$key", "time": "", "operation": "delete"})
    assert old_told("t", by_kafka, b"k", {}, 5) == Told("users", "delete", "t", "k", 5, {"fullDocument.name": {"$absent": True}})


def test_what_one_of_ours_tells() -> None:
    message = {
        "operationType": "replace", "collection": "users", "documentKey": {"_id": 7},
        "timestamp": "2024-01-01T12:00:00.001Z", "fullDocument": {"name": "Ada"},
    }  # fmt: skip
    expected = Told("users", "update", "t", "7", 1_704_110_400_001, {"fullDocument.name": "Ada"}, 3)
    assert list(our_told({"t": MAPPING}, message, 3)) == [expected]
    assert list(our_told({"t": MAPPING}, message | {"operationType": "delete"}, 3)) == []
    assert list(our_told({"t": MAPPING}, message | {"collection": "orders"}, 3)) == []
    assert list(our_told({"t": MAPPING}, message | {"operationType": "drop"}, 3)) == []
    assert list(our_told({"t": MAPPING}, message | {"snapshot": "s"}, 3)) == [], "no change: the old watcher has nothing about it"
    other = MAPPING.model_copy(update={"our_key": "{fullDocument.name}/{documentKey._id}", "fields": {}})
    assert [each[2:4] for each in our_told({"t": MAPPING, "u": other}, message, 3)] == [("t", "7"), ("u", "Ada/7")]


@pytest.mark.parametrize("sample", TYPES, ids=lambda sample: sample.name)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_is_the_same_in_whatever_dialect_our_watcher_writes(sample: Sample, dialect: str) -> None:
    form, at = DIALECTS[dialect], "2024-01-01T12:00:00.001Z"
    id_ = json.loads(form.dumps(form.decode(sample.document)["v"]))
    message = {"operationType": "insert", "collection": "users", "documentKey": {"_id": id_}, "timestamp": at}
    old = old_told("t", MAPPING, None, {"event": "created", "at": at, "user": {"id": json.loads(sample.plain)}}, 5)
    assert old is not None
    assert [each.key for each in our_told({"t": MAPPING}, message, 1)] == [old.key]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("id", "65"),
        ("user:{id}", "user:65"),
        ("{tenant}:{id}", "7:65"),
        ("{$key}/{id}", "k/65"),
        ("$key", "k"),
        ("user:{nothing}", None),
        ("nothing", None),
    ],
)
def test_key_expressions(expression: str, expected: str | None) -> None:
    mapping = TopicMapping(collection="users", key=expression, operation="insert")
    found = old_told("t", mapping, b"k", {"id": {"$oid": "65"}, "tenant": 7}, 5)
    assert (found and found.key) == expected


def all_pairs(directory: Path, told: list[Told]) -> list[tuple[tuple[str, int] | None, int | None]]:
    """Topic and time of the old one, number of ours."""
    pairing = Pairing(directory)
    pairing.add(told)
    pairs = [(pair.old and (pair.old.topic, pair.old.time_ms), pair.ours and pair.ours.ours) for pair in pairing.pairs(50)]
    pairing.close()
    return pairs


def told_by(topic: str, key: str, time_ms: int, ours: int = 0) -> Told:
    return Told("users", "insert", topic, key, time_ms, {}, ours)


def test_each_old_topic_is_paired_by_itself(tmp_path: Path) -> None:
    ours = [told_by("a", "1", 10, 1), told_by("b", "x:1", 10, 1), told_by("a", "2", 20, 2), told_by("b", "x:2", 20, 2)]
    old = [told_by("a", "1", 12), told_by("b", "x:1", 13), told_by("b", "x:3", 30)]
    assert all_pairs(tmp_path, [*ours, *old]) == [(("a", 12), 1), (("b", 13), 1), (("b", 30), None), (None, 2)]


def test_an_old_watcher_may_tell_of_each_change_in_one_of_several_topics(tmp_path: Path) -> None:
    ours = [told_by(topic, key, 10, number) for number, key in ((1, "1"), (2, "2"), (3, "3")) for topic in ("eu", "us")]
    old = [told_by("eu", "1", 10), told_by("us", "2", 10)]
    assert all_pairs(tmp_path, [*ours, *old]) == [(("eu", 10), 1), (("us", 10), 2), (None, 3)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topics = {}", "topics: Dictionary should have at least 1 item"),
        ('[topics.x]\ncollection = "u"', "topics.x.key: Field required; topics.x.operation"),
        ('[topics.x]\ncollection = "u"\nkey = "k"\noperation = "upsert"', "topics.x.operation"),
        ('[topics.x]\ncollection = "u"\nkey = "k"\noperation = "insert"\nfield = 1', "topics.x.field: Extra inputs"),
        ('[topics.x]\ncollection = "u"\nkey = "u:{id"\noperation = "insert"', "topics.x.key: Value error, a path in a key"),
        ("[topics", "mapping.toml: "),
    ],
)
def test_faults_of_a_mapping(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mapping.toml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_mapping(tmp_path / "mapping.toml")
    assert words in str(raised.value)


def test_a_mapping_is_read_like_the_files_of_conf_d(tmp_path: Path) -> None:
    """With a byte order mark, as Windows' editors write it; and a file that cannot be read is a fault of the configuration."""
    path = tmp_path / "mapping.toml"
    with pytest.raises(ConfigurationError, match="No such file"):
        load_mapping(path)
    path.write_text('[topics.x]\ncollection = "ü"\nkey = "k"\noperation = "insert"', encoding="utf-8-sig")
    assert load_mapping(path).topics["x"].collection == "ü"
    path.write_text('[topics.x]\ncollection = "ü"', encoding="latin-1")
    with pytest.raises(ConfigurationError, match="not UTF-8 text"):
        load_mapping(path)
