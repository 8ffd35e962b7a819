"""The rights that a watcher on several hosts needs besides the others, on a Kafka that allows only what it grants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType
from pymongo import MongoClient

from tests.support.security import ADMIN_SECONDS, GuardedKafka, topics_of
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.errors import ExitCode

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.security_fixtures"]

Document = dict[str, Any]
END_TIMEOUT_S = 60.0


@pytest.fixture
def shared(guarded_settings: Document) -> Document:
    """A watcher with the rights of one that runs on one host."""
    return guarded_settings | {"high_availability": True}


@pytest.fixture
def lease_granted(guarded_kafka: GuardedKafka, prefix: str) -> None:
    """Read on the group, which includes Describe."""
    guarded_kafka.grant(prefix, [(ResourceType.GROUP, f"{prefix}-watcher.lease", AclOperation.READ)])


def test_without_read_on_the_group_it_ends_and_says_so(launch: Launch, shared: Document, prefix: str) -> None:
    worker = launch(shared)
    assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED, worker.output
    error = worker.status["lastError"]
    assert f"{prefix}-watcher.lease" in error["message"]
    assert "Read" in error["hint"]


def test_with_it_one_streams_and_another_stands_by_and_takes_over(
    launch: Launch,
    shared: Document,
    lease_granted: None,
    tmp_path: Path,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
    guarded_inbox: Inbox,
) -> None:
    first = launch(shared)
    first.reached()
    second = launch(shared, state_dir=tmp_path / "host-b")
    second.reached("standby")
    eventually(lambda: second.status["activeSince"])
    assert second.status["settingsDiffer"] == []
    assert first.stop() == 0
    second.reached()
    guarded_mongo_client[prefix].users.insert_one({"_id": 1})
    assert [message["sequence"] for message in guarded_inbox.messages(1)] == [1]
    warnings = [line["event"] for worker in (first, second) for line in worker.logged("warning")]
    assert [event for event in warnings if "authoriz" in event.lower()] == []


@pytest.mark.parametrize("may_read", [True, False])
def test_an_empty_disk_takes_a_deleted_position_for_a_first_start_unless_it_may_read_the_topics(
    may_read: bool,
    launch: Launch,
    shared: Document,
    lease_granted: None,
    tmp_path: Path,
    guarded_kafka: GuardedKafka,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
    guarded_inbox: Inbox,
) -> None:
    if may_read:
        guarded_kafka.grant(prefix, [(ResourceType.TOPIC, name, AclOperation.READ) for name in topics_of(prefix)])
    first = launch(shared)
    first.reached()
    guarded_mongo_client[prefix].users.insert_one({"_id": 1})
    guarded_inbox.messages(1)
    assert first.stop() == 0
    topic, admin = f"{prefix}-watcher.position", guarded_kafka.admin()
    admin.delete_topics([topic])[topic].result(ADMIN_SECONDS)
    second = launch(shared, state_dir=tmp_path / "host-b")
    if may_read:
        assert second.wait(END_TIMEOUT_S) == ExitCode.POSITION_LOST, second.output
    else:
        second.reached()
