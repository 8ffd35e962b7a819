"""Three Apache Kafka nodes as one cluster, for tests of what needs copies: a node dies, and others take over its work."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.records import QUIET
from tests.support.waiting import eventually
from watcher.sandbox.binaries import KafkaHome
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.process import free_port

SIZE = 3
HEAP = "160m"
READY_TIMEOUT_S = 60.0

PROPERTIES = {
    # The default of 128 MiB does not fit into this heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # As Kafka is shipped: the sandbox has other values, for a fast start.
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
    "metadata.max.idle.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "3000",
}

GROUPS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"
"""Topics whose partitions' leaders are the coordinators of groups and of transactions."""


class KafkaCluster:
    """Nodes that are broker and controller each. Every topic has three copies, and two of them must have what is written."""

    def __init__(self, directory: Path, home: KafkaHome) -> None:
        self.nodes = [
            ApacheKafka(directory / f"kafka{n}", home=home, proxy_port=free_port(), heap=HEAP) for n in range(1, SIZE + 1)
        ]
        voters = ",".join(f"{n}@127.0.0.1:{node.controller_port}" for n, node in enumerate(self.nodes, 1))
        for n, node in enumerate(self.nodes, 1):
            node.properties = {**PROPERTIES, "node.id": str(n), "controller.quorum.voters": voters}

    @property
    def bootstrap(self) -> str:
        """The value for `bootstrap.servers`."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def description(self) -> str:
        """Product and version, for a report."""
        return f"{self.nodes[0].description}, three nodes"

    def coordinator(self, topic: str, name: str) -> ApacheKafka:
        """The node that coordinates a group or a transactional id of this `name`; `topic` is GROUPS or TRANSACTIONS."""
        partitions = self._admin().list_topics(topic, timeout=READY_TIMEOUT_S).topics[topic].partitions
        return self.nodes[partitions[partition_of(name, len(partitions))].leader - 1]

    def wait_until_in_sync(self) -> None:
        """Wait until all nodes have all copies, so that any one of them can be missed."""
        eventually(self._is_in_sync, READY_TIMEOUT_S, interval_s=0.2)

    def start(self) -> Self:
        """Start all nodes at once, because none answers before it has found another; returns when all belong to the cluster."""
        try:
            with ThreadPoolExecutor(SIZE) as pool:
                list(pool.map(ApacheKafka.start, self.nodes))
            self.wait_until_in_sync()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Kill all nodes: an orderly end of the last ones would wait for those that have ended."""
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.kill)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap}, logger=QUIET)

    def _is_in_sync(self) -> bool:
        try:
            known = self._admin().list_topics(timeout=READY_TIMEOUT_S)
        except KafkaException as error:
            raise AssertionError from error
        partitions = [partition for topic in known.topics.values() for partition in topic.partitions.values()]
        return len(known.brokers) == SIZE and all(_has_all_copies(each.replicas, each.isrs) for each in partitions)


def partition_of(name: str, partitions: int) -> int:
    """The partition that Kafka gives a name, by Java's `String.hashCode`."""
    code = 0
    for character in name:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return (code & 0x7FFFFFFF) % partitions


def _has_all_copies(replicas: Sequence[int], in_sync: Sequence[int]) -> bool:
    return set(in_sync) == set(replicas)
