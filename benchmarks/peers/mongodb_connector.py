"""MongoDB's own Kafka source connector, in Connect's standalone mode; it has no exactly-once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.contender import Task
from benchmarks.peers.kafka_connect import Connector, ConnectWorker, properties
from tests.support.kafka_connect import jars


@dataclass(frozen=True)
class MongoDBConnector(Connector):
    """On a Connect worker of its own."""

    name: ClassVar[str] = "MongoDB's connector"

    def version(self) -> str:
        """As in its pom."""
        return jars("mongodb-connector").name

    def deliver(self, task: Task) -> ConnectWorker:
        """From the moment that is asked for, or with the documents that are there already."""
        since = {"$timestamp": {"t": task.since.time, "i": task.since.inc}}
        start = {"startup.mode.timestamp.start.at.operation.time": json.dumps(since)}
        connector = {
            **properties("mongodb-connector"),
            **(properties("mongodb-connector-snapshot") if self.copies else start),
            "connection.uri": task.mongodb_uri,
            "database": task.database,
            "topic.prefix": task.prefix,
        }
        return ConnectWorker(task, jars("mongodb-connector"), connector)
