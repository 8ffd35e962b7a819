"""The settings `pipeline`, `pipeline_file` and `exclude_operations`: how they are written, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.conf_files import Write, faults, good
from tests.support.plain_settings import refusal, settings
from watcher.config import Loaded, load
from watcher.config.files.as_written import as_written
from watcher.config.mongodb.stages import CHECKS, NEEDED
from watcher.generate.settings_text import settings_text
from watcher.operations import ROW_OPERATIONS

pytest_plugins = ["tests.support.conf_fixtures"]

PAID = [{"$match": {"fullDocument.status": "paid"}}]
AS_TOML = '\n[[pipeline]]\n"$match" = { "fullDocument.status" = "paid" }\n'
ALL_NEEDED = {name: 1 for name in NEEDED if name != "_id"}


def stages_of(loaded: Loaded, name: str = "a") -> list[Any]:
    assert faults(loaded) == []
    return [json.loads(stage) for stage in loaded.watchers[name].pipeline]


def test_the_same_stages_in_each_form(write: Write) -> None:
    conf_dir = write(
        table_toml=good("table") + AS_TOML,
        inline_toml=good("inline") + 'pipeline = [{ "$match" = { "fullDocument.status" = "paid" } }]\n',
        text_toml=good("text") + f"pipeline = '{json.dumps(PAID)}'\n",
        file_toml=good("file") + 'pipeline_file = "paid.pipeline.json"\n',
        env_env=f"MONGODB_URI=mongodb://h/db\nKAFKA_BROKERS=h:9092\nKAFKA_CLIENT_ID=env\nPIPELINE={json.dumps(PAID)}\n",
    )
    (conf_dir / "paid.pipeline.json").write_text(json.dumps(PAID, indent=2))
    loaded = load(conf_dir)
    assert {name: stages_of(loaded, name) for name in loaded.names} == dict.fromkeys(
        ["table", "inline", "text", "file", "env"], PAID
    )


def test_a_time_of_toml_is_a_date(write: Write) -> None:
    stage = '[[pipeline]]\n"$match" = { "fullDocument.at" = { "$gt" = 2024-01-01T00:00:00Z } }\n'
    [made] = stages_of(load(write(a_toml=good("a") + stage)))
    assert made == {"$match": {"fullDocument.at": {"$gt": {"$date": "2024-01-01T00:00:00+00:00"}}}}
    assert "a time without its zone" in refusal(pipeline=[{"$match": {"at": date(2024, 1, 1)}}])


def test_the_watchers_own_stages_hide_the_shared_ones(write: Write) -> None:
    conf_dir = write(defaults_toml='pipeline_file = "x.pipeline.json"\n', a_toml=good("a") + AS_TOML)
    assert stages_of(load(conf_dir)) == PAID  # the shared file isn't there, and isn't needed


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ('pipeline_file = "no.json"\n', "pipeline_file: cannot read no.json: No such file"),
        ('pipeline = "[]"\npipeline_file = "no.json"\n', "pipeline_file: is set beside pipeline"),
        ('pipeline = "["\n', "pipeline: is not JSON"),
        ('[pipeline]\n"$match" = { a = 1 }\n', "must be a list of stages ([[pipeline]] in double brackets"),
        (AS_TOML + '[[pipeline]]\n"$out" = "x"\n', "a.toml:5 pipeline: stage 2 ($out): is no stage that change streams allow"),
    ],
)
def test_faults_have_their_place(more: str, text: str, write: Write) -> None:
    [fault] = faults(load(write(a_toml=good("a") + more)))
    assert text in fault


def test_a_json_file_that_is_no_pipeline_is_still_a_fault(write: Write) -> None:
    conf_dir = write(a_toml=good("a"))
    (conf_dir / "stages.json").write_text("[]")
    [fault] = faults(load(conf_dir))
    assert "stages.pipeline.json" in fault


def test_generated_files_hold_the_stages(write: Write) -> None:
    conf_dir = write(a_toml=good("a") + 'pipeline_file = "a.pipeline.json"\n', b_toml=good("b") + AS_TOML)
    (conf_dir / "a.pipeline.json").write_text(json.dumps(PAID))
    loaded = load(conf_dir)
    for name in ("a", "b"):
        text = settings_text(as_written(loaded.origins[name]))
        assert text.variables == {}
        again = write(**{f"{name}_toml": text.text})
        assert stages_of(load(again), name) == PAID


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("stage", ["$unset", "$set", "$addFields", "$project", "$replaceWith", "$replaceRoot"])
def test_no_stage_may_take_what_is_needed(stage: str, name: str) -> None:
    over = {"$mergeObjects": ["$$ROOT", {name: None}]}
    bodies: dict[str, Any] = {"$unset": ["x", name], "$project": {name: 0}, "$replaceWith": over, "$replaceRoot": {"newRoot": over}}
    assert f"stage 1 ({stage}): " in (text := refusal(pipeline=[{stage: bodies.get(stage, {name: 1})}]))
    assert f" {name}, which a watcher needs" in text


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ({"$project": {"fullDocument": 1}}, "leaves out operationType, ns, documentKey, clusterTime"),
        ({"$project": ALL_NEEDED | {"_id": 0}}, "removes _id"),
        ({"$project": ALL_NEEDED | {"ns": {"db": 1}}}, "leaves out ns"),
        ({"$project": ALL_NEEDED | {"ns": "$fullDocument"}}, "leaves out ns"),
        ({"$replaceRoot": {"newRoot": "$fullDocument"}}, "may lose what a watcher needs"),
        ({"$replaceWith": {"$mergeObjects": ["$$ROOT", "$fullDocument"]}}, "may put anything over what a watcher needs"),
        ({"$replaceWith": {"fullDocument": "$fullDocument"}}, "leaves out _id, operationType"),
        ({"$set": {"ns": {"coll": "x"}}}, "changes ns.coll"),
        ({"$unset": "wallTime"}, "removes wallTime"),
        ({"$unset": "fullDocument._id"}, "fullDocument._id, by which consumers know a document"),
        ({"$match": {"$or": [{"$where": "true"}]}}, "has $where"),
        ({"$changeStreamSplitLargeEvent": {}}, "the watcher adds this stage by itself"),
        ({"$match": {"a": 1}, "$set": {"b": 1}}, "must be an object with a single key"),
        ({"$lookup": {}}, "is no stage that change streams allow"),
        ("$match", "stage 1: must be an object with a single key"),
    ],
)
def test_refused_stages(stage: Any, text: str) -> None:
    assert text in refusal(pipeline=[stage])


def test_all_bad_stages_are_named_at_once() -> None:
    text = refusal(pipeline=[{"$out": "x"}, *PAID, {"$merge": "x"}])
    assert "stage 1 ($out)" in text
    assert "stage 3 ($merge)" in text


GOOD_STAGES = [
    {"$match": {"$or": [{"operationType": "delete"}, {"fullDocument.n": {"$gt": 1}}]}},
    {"$project": ALL_NEEDED | {"fullDocument.name": 1}},
    {"$project": {"fullDocument.secret": 0, "updateDescription": 0}},
    {"$set": {"fullDocument.region": "eu"}},
    {"$addFields": {"fullDocument.name": {"$toUpper": "$fullDocument.name"}}},
    {"$unset": ["fullDocument.secret", "updateDescription"]},
    {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$$ROOT", {"fullDocument": {"_id": "$documentKey._id"}}]}}},
    {"$replaceWith": {name: f"${name}" for name in NEEDED}},
    {"$redact": {"$cond": [{"$eq": ["$level", 5]}, "$$PRUNE", "$$DESCEND"]}},
]


@pytest.mark.parametrize("stage", GOOD_STAGES, ids=[next(iter(stage)) for stage in GOOD_STAGES])
def test_good_stages(stage: dict[str, Any]) -> None:
    made = settings(pipeline=[stage])
    assert [json.loads(text) for text in made.pipeline] == [stage]
    assert settings(pipeline=made.pipeline).pipeline == made.pipeline


def test_every_allowed_stage_has_a_good_form() -> None:
    assert {next(iter(stage)) for stage in GOOD_STAGES} == CHECKS.keys()


def test_excluded_operations() -> None:
    assert settings(exclude_operations="delete, update,delete").exclude_operations == ("delete", "update")
    assert settings(exclude_operations=["insert"]).exclude_operations == ("insert",)
    assert "control messages are always sent" in refusal(exclude_operations=["drop"])
    assert "must be of insert, update, replace, delete" in refusal(exclude_operations="deletes")
    assert "leaves no change of a document" in refusal(exclude_operations=[*ROW_OPERATIONS])


def test_the_file_starts_at_the_directory_that_names_it(write: Write, tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "a.json").write_text(json.dumps(PAID))
    assert stages_of(load(write(a_toml=good("a") + 'pipeline_file = "../stages/a.json"\n'))) == PAID
