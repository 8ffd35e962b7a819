"""Row 30: mongod is a standalone server, or a member of a replica set that nobody has initiated.

Goal: the first is exit 76, and says what to do. The second may be initiated any moment: the worker waits, says what to do, and
streams as soon as that is done.
Method: mongod without --replSet; mongod with it, initiated while the worker waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_matrix import FaultReport
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch
from watcher.sandbox.mongod import Mongod

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
UNSUPPORTED = 76


@pytest.fixture(params=[None, "rs0"], ids=["standalone", "not initiated"])
def mongod(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mongod]:
    """One mongod."""
    with Mongod(tmp_path / "mongod", replica_set=request.param) as mongod:
        yield mongod


def test_it_says_what_to_do(
    launch: Launch, settings: Document, inbox: Inbox, mongod: Mongod, database: str, fault_report: FaultReport
) -> None:
    worker = launch(settings | {"mongodb_uri": mongod.uri(database)})
    if mongod.replica_set is None:
        assert worker.wait() == UNSUPPORTED
        assert "standalone" in worker.status["lastError"]["message"]
    else:
        worker.reached("waiting")
    assert "rs.initiate()" in worker.status["lastError"]["hint"]
    fault_report.count(faults=1)
    if mongod.replica_set is None:
        return
    with mongod.client(socketTimeoutMS=None) as client:
        members = [{"_id": 0, "host": mongod.address}]
        client.admin.command("replSetInitiate", {"_id": mongod.replica_set, "members": members})
        worker.reached()
        eventually(lambda: client.admin.command("hello")["isWritablePrimary"])
        client[database].users.insert_one({"_id": 1})
    assert inbox.messages(1)[0]["documentKey"] == {"_id": 1}
    assert worker.stop() == 0
