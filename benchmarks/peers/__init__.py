"""The programs we are measured beside, each with its settings in `settings/`."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.contender import Contender
from benchmarks.peers.debezium import Debezium
from benchmarks.peers.mongodb_connector import MongoDBConnector
from benchmarks.peers.mq_bridge import MqBridge

PEERS: Mapping[str, Contender] = {
    "debezium": Debezium(),
    "debezium-exactly-once": Debezium(exactly_once=True),
    "mongodb-connector": MongoDBConnector(),
    "mq-bridge": MqBridge(),
}

COPYING_PEERS: Mapping[str, Contender] = {
    "debezium": Debezium(copies=True),
    "mongodb-connector": MongoDBConnector(copies=True),
}
"""Those that can also copy the documents that are there already."""
