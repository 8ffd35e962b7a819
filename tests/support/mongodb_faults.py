"""Hurts MongoDB on purpose: commands that fail, and an oplog that has rolled over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient

from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox
from watcher.sandbox.mongod import Mongod, ReplicaSet

Client = MongoClient[dict[str, Any]]


@dataclass(slots=True)
class FailPoint:
    """Number of times it has struck; known when it is off again."""

    strikes: int = 0


@contextmanager
def failing(client: Client, *commands: str, app: str, times: int | None = None, **how: Any) -> Iterator[FailPoint]:
    """While the block lasts, `commands` of the client that calls itself `app` fail: `times` times, or always.

    `how`: `errorCode=286`, or `closeConnection=True`.
    """
    point = FailPoint()
    mode: Any = {"times": times} if times else "alwaysOn"
    data = {"failCommands": commands, "appName": app, **how}
    before = client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)["count"]
    try:
        yield point
    finally:
        point.strikes = client.admin.command("configureFailPoint", "failCommand", mode="off")["count"] - before


def roll_oplog_over(replica_set: ReplicaSet) -> None:
    """Stop the only node, remove all but the last entry from its oplog, and start it again.

    It looks to a change stream as if the oplog had become too small; filling one until it is takes gigabytes of writes.
    """
    [node] = replica_set.nodes
    node.stop()
    alone = Mongod(node.directory, node.port)
    with alone, alone.client(socketTimeoutMS=None) as client:
        oplog = client.local.get_collection("oplog.rs")
        last = oplog.find_one(sort=[("$natural", -1)])
        assert last is not None
        oplog.delete_many({"ts": {"$lt": last["ts"]}})
    node.start()
    replica_set.wait_for_primary()


def check_arrival(oracle: Oracle, inbox: Inbox, timeout_s: float = 60.0) -> None:
    """Wait until all writes are in Kafka, each once and in order; AssertionError if they aren't in time.

    Counting is not enough where writes are of unknown fate: some of those may have come, and some others not yet.
    """

    def check() -> bool:
        oracle.check(inbox.records(oracle.certain_writes, timeout_s))
        return True

    eventually(check, timeout_s, interval_s=0.5)
