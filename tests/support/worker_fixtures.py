"""The fixtures of the tests with workers; such a module says `pytest_plugins = ["tests.support.worker_fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.worker import OPERATIONS, Inbox, Launch, WorkerProcess, watcher_settings
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet


@pytest.fixture
def settings(mongo: ReplicaSet, kafka: Broker, database: str) -> dict[str, Any]:
    """A watcher of `database` that writes to topics of this test's own."""
    return watcher_settings(mongo.uri(database), kafka.bootstrap, database)


@pytest.fixture
def inbox(kafka: Broker, database: str) -> Inbox:
    """The topics of `settings`."""
    return Inbox(kafka.bootstrap, [f"{database}.{operation}" for operation in OPERATIONS])


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts workers that end with the test: `launch(settings)`, or `launch(settings, name=…, state_dir=…)`."""
    with ExitStack() as stack:
        yield lambda settings, **where: stack.enter_context(WorkerProcess(tmp_path, settings, **where))
