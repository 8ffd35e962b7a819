"""MongoDB's own Kafka source connector, in Connect's standalone mode; it has no exactly-once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.contender import Contender, Task
from benchmarks.peers.kafka_connect import ConnectWorker, jars, properties

GROUP = "org.mongodb.kafka"


@dataclass(frozen=True)
class MongoDBConnector(Contender):
    """On a Connect worker of its own."""

    name: ClassVar[str] = "MongoDB's connector"

    def version(self) -> str:
        """As in its pom."""
        return jars("mongodb-connector", GROUP).name

    def deliver(self, task: Task) -> ConnectWorker:
        """From the moment that is asked for."""
        since = {"$timestamp": {"t": task.since.time, "i": task.since.inc}}
        connector = {
            **properties("mongodb-connector"),
            "connection.uri": task.mongodb_uri,
            "database": task.database,
            "topic.prefix": task.prefix,
            "startup.mode.timestamp.start.at.operation.time": json.dumps(since),
        }
        return ConnectWorker(task, jars("mongodb-connector", GROUP), connector)
