"""Doctor's checks of a schema registry: each finding, and nothing is registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.doctoring import check_fix, look
from tests.support.fake_registry import FakeRegistry, fake_registry
from tests.support.plain_settings import settings
from watcher.doctor.check import Finding, Outcome
from watcher.doctor.schema_registry import CHECKS, WatchersRegistry
from watcher.messages.serializations.avro_schemas import GENERIC

TOPICS = ("database.insert", "database.update", "database.delete", "database.control")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as registry:
        yield registry


def found(registry: FakeRegistry, envelope: str = "generic", **properties: Any) -> list[Finding]:
    table = {"url": registry.url, "timeout": 1, **properties}
    watcher = settings(serialization="avro", envelope=envelope, schema_registry=table)
    return [*look(CHECKS, WatchersRegistry(watcher)).values()]


def fill(registry: FakeRegistry) -> None:
    for topic in TOPICS:
        registry.register(f"{topic}-key", GENERIC.key.text)
        registry.register(f"{topic}-value", GENERIC.value.text)


def test_an_empty_registry_is_good(registry: FakeRegistry) -> None:
    assert [finding.text for finding in found(registry)] == ["it answers; 0 subjects", "8 to be registered"]
    assert registry.subjects == {}


def test_schemas_that_are_there_are_good(registry: FakeRegistry) -> None:
    fill(registry)
    assert [finding.text for finding in found(registry)] == ["it answers; 8 subjects", "8 there"]
    assert found(registry, **{"auto.register.schemas": False})[1].text == "8 there"
    assert found(registry, **{"use.latest.version": True})[1].text == "8 there"
    assert len(registry.schemas) == 2


def test_topics_of_collections_are_not_known_yet(registry: FakeRegistry) -> None:
    assert found(registry, envelope="document")[1].text == "2 to be registered"


def test_one_that_is_away_fails(registry: FakeRegistry) -> None:
    with fake_registry() as other:
        gone = other.url
    reachable, schemas = found(registry, url=gone)
    check_fix(reachable, Outcome.FAILED, "cannot be reached", "[schema_registry]")
    assert "keeps trying" not in reachable.fix
    assert schemas.outcome is Outcome.NOT_CHECKED


def test_refused_credentials_fail(registry: FakeRegistry) -> None:
    registry.fails_with = 401, {"error_code": 40101, "message": "Unauthorized"}
    check_fix(found(registry)[0], Outcome.FAILED, "refuses the credentials", "basic.auth.user.info")


def test_another_server_fails(registry: FakeRegistry) -> None:
    registry.fails_with = 404, b"<html>"
    check_fix(found(registry)[0], Outcome.FAILED, "no schema registry answers", "correct url")


def test_an_incompatible_schema_fails(registry: FakeRegistry) -> None:
    registry.register("database.insert-value", '{"type": "record", "name": "Other", "fields": []}')
    check_fix(found(registry)[1], Outcome.FAILED, "incompatible with the latest schema of database.insert-value")


def test_a_schema_that_nobody_has_registered_fails(registry: FakeRegistry) -> None:
    check_fix(found(registry, **{"auto.register.schemas": False})[1], Outcome.FAILED, "does not have", "Register it")
