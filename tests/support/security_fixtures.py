"""The guarded servers as fixtures; a module that wants them says `pytest_plugins = ["tests.support.security_fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.apache_kafka import BROKER_USED
from tests.support.own_kafka import home_or_skip
from tests.support.security import (
    MONGODB_ACTIONS,
    Certificates,
    GuardedKafka,
    add_user,
    guarded_mongodb,
    kafka_login,
    needed_grants,
    topics_of,
)
from tests.support.worker import Inbox, watcher_settings
from watcher.sandbox.mongod import ReplicaSet


@pytest.fixture(scope="session")
def certificates(server_directory: Path) -> Certificates:
    """For both guarded servers."""
    return Certificates(server_directory / "certificates")


@pytest.fixture(scope="session")
def guarded_mongo(server_directory: Path, certificates: Certificates) -> Iterator[ReplicaSet]:
    """MongoDB with TLS and access control."""
    with guarded_mongodb(server_directory / "guarded-mongo", certificates) as replica_set:
        yield replica_set


@pytest.fixture(scope="session")
def guarded_mongo_client(guarded_mongo: ReplicaSet) -> Iterator[MongoClient[dict[str, Any]]]:
    """Its root."""
    with guarded_mongo.client() as client:
        yield client


@pytest.fixture(scope="session")
def guarded_kafka(server_directory: Path, certificates: Certificates, pytestconfig: pytest.Config) -> Iterator[GuardedKafka]:
    """Apache Kafka with TLS, passwords and an authorizer; skipped where it cannot be had."""
    with GuardedKafka(server_directory / "guarded-kafka", certificates, home_or_skip()) as broker:
        pytestconfig.stash[BROKER_USED] = broker.description
        yield broker


@pytest.fixture
def passwords(prefix: str) -> dict[str, str]:
    """A password for each side that can be found in nothing else."""
    return {side: f"{side}-password-of-{prefix}" for side in ("mongodb", "kafka")}


@pytest.fixture
def guarded_settings(
    guarded_mongo: ReplicaSet, guarded_kafka: GuardedKafka, certificates: Certificates, prefix: str, passwords: dict[str, str]
) -> dict[str, Any]:
    """A watcher of the database `prefix` with users of its own called `prefix`, who have all rights that it needs and no other."""
    add_user(guarded_mongo, prefix, passwords["mongodb"], [(prefix, MONGODB_ACTIONS)])
    guarded_kafka.add_user(prefix, passwords["kafka"])
    guarded_kafka.grant(prefix, needed_grants(prefix))
    uri = guarded_mongo.uri(prefix, user=prefix, password=passwords["mongodb"])
    login = kafka_login(prefix, passwords["kafka"], certificates.ca)
    return watcher_settings(uri, guarded_kafka.guarded, prefix) | {"kafka": login}


@pytest.fixture
def guarded_inbox(guarded_kafka: GuardedKafka, prefix: str) -> Inbox:
    """The topics of `guarded_settings`."""
    return Inbox(guarded_kafka.bootstrap, topics_of(prefix))
