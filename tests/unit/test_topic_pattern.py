"""Topics that a template can have given: all that it did give, and not those of another database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.topics.name import topic_name, topic_pattern

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
templates = st.sampled_from(
    [
        "database.insert",
        "{database}",
        "{collection}",
        "{operation}",
        "a.{database}.{collection}-{operation}",
        "x" * 200 + ".{collection}",
    ]
)


@given(templates, st.sampled_from(["insert", "dropDatabase"]), names, names)
def test_matches_every_topic_of_the_template(template: str, operation: str, database: str, collection: str) -> None:
    for apart in (False, True):
        assert topic_pattern(template, database).match(topic_name(template, operation, database, collection, apart=apart))


@pytest.mark.parametrize(
    ("template", "other"),
    [
        ("database.insert", "database.insert2"),
        ("database.insert", "databaseXinsert"),
        ("{database}.changes", "analytics.changes"),
        ("{database}.{collection}", "dashboard2.users"),
        ("{collection}.{operation}", "users"),
        ("{collection}.{operation}", "users.insert."),
        ("a.{collection}", "b." + "x" * 230 + "-" + "0" * 16),
    ],
)
def test_matches_no_other_topic(template: str, other: str) -> None:
    assert not topic_pattern(template, "dashboard").match(other)
