"""Changes that two watchers of one conf.d would send to the same topics."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.doctoring import as_settings
from tests.support.worker import watcher_settings
from watcher.config.overlaps import overlaps


def pair(*both: dict[str, Any]) -> list[str]:
    """Return what is said of watchers `a` and `b` with these settings; with `watch_databases` their URI names no database."""
    watchers = []
    for name, values in zip("ab", both, strict=True):
        database = values.pop("database", "" if "watch_databases" in values else "db")
        host = values.pop("host", "h")
        watchers.append(as_settings({**watcher_settings(f"mongodb://{host}/{database}", "k:9092", name), "name": name, **values}))
    return [f"{each}; {each.hint}" for each in overlaps(watchers)]


def of(*databases: str, **values: Any) -> dict[str, Any]:
    return {"watch_databases": list(databases), **values}


TOPICS = {f"kafka_topic_{operation}": f"{{database}}.{operation}" for operation in ("insert", "update", "delete")}
OTHERS = {key: f"other.{topic}" for key, topic in TOPICS.items()}
SENT = "too, so both send its changes to the same topics"
SENT_OF_SEVERAL = SENT.replace("its", "their")
APART = "give b topics of its own, or other collections, or remove it"


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ({}, of("d*"), f'a: b watches its database db {SENT}; in b: exclude_databases = ["db"]'),
        (of("d*", "x"), {"database": "db"}, f'b: a watches its database db {SENT}; in a: exclude_databases = ["db"]'),
        ({}, {}, f"a: b watches its database db {SENT}; {APART}"),
        (
            of("tenant_*"),
            of("tenant_1*"),
            f'a: b watches databases tenant_1* {SENT_OF_SEVERAL}; in a: exclude_databases = ["tenant_1*"]',
        ),
        (of("tenant_*"), of("tenant_7"), f'a: b watches its database tenant_7 {SENT}; in a: exclude_databases = ["tenant_7"]'),
        (of("*"), of("*", exclude_databases=["x"]), f"a: b watches databases * {SENT_OF_SEVERAL}; {APART}"),
        (
            {"exclude_collections": ["users"]},
            {"watch_collections": ["u*"]},
            f"a: b watches its database db {SENT}; {APART}",
        ),
        ({}, of("*", watch_collections=["db.users"]), f'a: b watches its database db {SENT}; in b: exclude_databases = ["db"]'),
    ],
)
def test_what_is_sent_twice(one: dict[str, Any], other: dict[str, Any], text: str) -> None:
    assert pair({**TOPICS, **one}, {**TOPICS, **other}) == [text]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"database": "another"}),
        ({}, {"host": "elsewhere"}),
        ({}, {"kafka_brokers": "elsewhere:9092"}),
        ({}, OTHERS),
        ({}, of("d*", **OTHERS)),
        ({}, of("d*", exclude_databases=["db"])),
        ({}, of("d*", exclude_collections=["db.*"])),
        ({"watch_collections": ["users"]}, {"exclude_collections": ["users"]}),
        ({"watch_collections": ["users"]}, {"watch_collections": ["orders"]}),
        ({"watch_collections": ["users"]}, of("*", watch_collections=["db.orders", "tenant_*.users"])),
        (of("tenant_*"), of("shop_*")),
        (of("tenant_*", exclude_databases=["tenant_big*"]), of("tenant_big_*")),
        (of("tenant_*", watch_collections=["users"]), of("tenant_*", watch_collections=["orders"])),
        ({"exclude_operations": ["insert"]}, {"exclude_operations": ["update", "replace", "delete"]}),
        ({"pipeline": '[{"$match": {"fullDocument.kind": 1}}]'}, {"pipeline": '[{"$match": {"fullDocument.kind": 2}}]'}),
    ],
)
def test_what_is_not(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert pair({**TOPICS, **one}, {**TOPICS, **other}) == []
