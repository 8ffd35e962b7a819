"""Debezium's MongoDB connector, at least once in Connect's standalone mode, and exactly once in its distributed mode."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contender import Contender, Task
from benchmarks.peers.kafka_connect import ConnectWorker, jars, properties


@dataclass(frozen=True)
class Debezium(Contender):
    """On a Connect worker of its own."""

    exactly_once: bool = False

    @property
    def name(self) -> str:
        """With its guarantee."""
        return "Debezium, exactly once" if self.exactly_once else "Debezium"

    def version(self) -> str:
        """As in its pom."""
        return jars("debezium", "io.debezium").name

    def deliver(self, task: Task) -> ConnectWorker:
        """Without a snapshot, from the moment that is asked for."""
        connector = {
            **properties("debezium"),
            **(properties("debezium-exactly-once") if self.exactly_once else {}),
            "mongodb.connection.string": task.mongodb_uri,
            "capture.target": task.database,
            "topic.prefix": task.prefix,
            "capture.start.op.time": str((task.since.time << 32) + task.since.inc),
        }
        return ConnectWorker(task, jars("debezium", "io.debezium"), connector, exactly_once=self.exactly_once)
