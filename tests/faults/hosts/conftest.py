"""Two hosts of one watcher, on a cluster of three Kafka nodes and a replica set of three mongods."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apache_kafka import BROKER_USED
from tests.support.hosts import NAME, Host, two_hosts
from tests.support.kafka_cluster import KafkaCluster
from tests.support.load import OPEN_S, Load
from tests.support.oracle import Oracle
from tests.support.own_kafka import home_or_skip
from watcher.sandbox.mongod import ReplicaSet


@pytest.fixture(scope="package")
def kafka(server_directory: Path, pytestconfig: pytest.Config) -> Iterator[KafkaCluster]:
    """The cluster. Shared: a test that harms a node brings it back."""
    with KafkaCluster(server_directory / "cluster", home_or_skip()) as cluster:
        pytestconfig.stash.setdefault(BROKER_USED, cluster.description)
        yield cluster


@pytest.fixture(scope="package")
def mongo(server_directory: Path) -> Iterator[ReplicaSet]:
    """The replica set. Shared, as the cluster."""
    with ReplicaSet(server_directory / "hosts-mongo", size=3) as replica_set:
        yield replica_set


@pytest.fixture
def host_directories() -> Iterator[tuple[Path, Path]]:
    """A state directory for each host, with a path as short as supervisord's socket needs it."""
    with tempfile.TemporaryDirectory(prefix="ha-") as first, tempfile.TemporaryDirectory(prefix="hb-") as second:
        yield Path(first), Path(second)


@pytest.fixture
def hosts(host_directories: tuple[Path, Path], settings: dict[str, Any]) -> Iterator[tuple[Host, Host]]:
    """The active host, and one that stands by."""
    with two_hosts(host_directories, {NAME: settings}) as hosts:
        yield hosts


@pytest.fixture
def load(oracle: Oracle, seed: int) -> Load:
    """A steady load, in a `with` block of its own."""
    return Load(oracle, seed=seed, pause_s=OPEN_S)
