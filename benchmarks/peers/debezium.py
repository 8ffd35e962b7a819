"""Debezium's MongoDB connector, at least once in Connect's standalone mode, and exactly once in its distributed mode. At least
once it can also copy the documents that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.contender import Task
from benchmarks.peers.kafka_connect import Connector, ConnectWorker, properties
from tests.support.kafka_connect import jars


@dataclass(frozen=True)
class Debezium(Connector):
    """On a Connect worker of its own."""

    exactly_once: bool = False

    @property
    def name(self) -> str:
        """With its guarantee."""
        return "Debezium, exactly once" if self.exactly_once else "Debezium"

    def version(self) -> str:
        """As in its pom."""
        return jars("debezium").name

    def deliver(self, task: Task) -> ConnectWorker:
        """Without a snapshot, from the moment that is asked for; or with one."""
        return self.worker(task, properties("connect-exactly-once") if self.exactly_once else None)

    def worker(self, task: Task, distributed: Mapping[str, str] | None) -> ConnectWorker:
        """Make a worker with this connector; `distributed` as for ConnectWorker."""
        operation_time = (task.since.time << 32) + task.since.inc
        connector = {
            **properties("debezium"),
            **(properties("debezium-exactly-once") if self.exactly_once else {}),
            **(properties("debezium-snapshot") if self.copies else {"capture.start.op.time": str(operation_time)}),
            "mongodb.connection.string": task.mongodb_uri,
            "capture.target": task.database,
            "topic.prefix": task.prefix,
        }
        return ConnectWorker(task, jars("debezium"), connector, distributed)
