"""A MongoDB whose commands can be made to fail; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from watcher.sandbox.mongod import ReplicaSet

FAIL_POINTS = ("--setParameter", "enableTestCommands=1")
OFTEN_NO_OPS = ("--setParameter", "periodicNoopIntervalSecs=1")
"""On an idle server a snapshot waits for MongoDB's next no-op: ten seconds by default."""


@pytest.fixture(scope="session")
def failing_mongo(server_directory: Path) -> Iterator[ReplicaSet]:
    """A replica set of one node that has fail points. Shared."""
    with ReplicaSet(server_directory / "failing-mongo", extra_args=(*FAIL_POINTS, *OFTEN_NO_OPS)) as replica_set:
        yield replica_set
