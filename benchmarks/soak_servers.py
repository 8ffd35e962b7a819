"""Servers that a soak hurts: MongoDB and Kafka, each behind a proxy, and two workers, of which one is never killed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient

from tests.support import apache_kafka
from tests.support.proxy import TcpProxy
from tests.support.worker import OPERATIONS, WorkerProcess, watcher_settings
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet
from watcher.sandbox.process import free_port

STEADY, KILLED = "steady", "killed"
"""The watchers, and the databases that they watch."""

OPLOG_MB = "990"


class SoakServers:
    """Started and ended with the `with` block; the workers stream then."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        directory = Path(self._stack.enter_context(TemporaryDirectory(prefix="watcher-soak-", ignore_cleanup_errors=True)))
        self.mongodb = ReplicaSet(directory / "mongodb", extra_args=("--oplogSize", OPLOG_MB))
        self.kafka = ApacheKafka(directory / "kafka", home=apache_kafka.obtain(), proxy_port=free_port())
        self.mongodb_proxy = TcpProxy(self.mongodb.nodes[0].port)
        self.kafka_proxy = TcpProxy(self.kafka.behind_proxy_port, self.kafka.proxy_port)
        self.client: MongoClient[dict[str, Any]] = self.mongodb.client(connect=False)
        self.workers: dict[str, WorkerProcess] = {}
        self._directory = directory

    def __enter__(self) -> Self:
        for part in (self.mongodb, self.kafka, self.mongodb_proxy, self.kafka_proxy, self.client):
            self._stack.enter_context(part)
        for name in (STEADY, KILLED):
            uri = f"mongodb://{self.mongodb_proxy.address}/{name}?directConnection=true"
            settings = watcher_settings(uri, self.kafka_proxy.address, name)
            self.workers[name] = self._stack.enter_context(WorkerProcess(self._directory, settings, name=name))
        self.wait_until_streaming()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def wait_until_streaming(self, timeout_s: float = 90.0) -> None:
        """Until both workers stream. Errors: AssertionError at the deadline, pytest's Failed when a worker has ended."""
        for worker in self.workers.values():
            worker.reached(timeout_s=timeout_s)

    def topics(self) -> list[str]:
        """All topics of both watchers but those of the positions."""
        return [f"{name}.{operation}" for name in self.workers for operation in OPERATIONS]
