"""Servers of the benchmarks: MongoDB and Apache Kafka of our own, and a worker as a process."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.environments import workers_python
from tests.support import apache_kafka
from tests.support.worker import as_toml
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.sandbox import Sandbox

START_SECONDS = 30.0

OPLOG_MB = "40000"
"""Every backlog has to be in the oplog as a whole until the last contender has read it."""

# What Kafka's own start script gives a broker: the sandbox saves time at the start, and has no second compiler.
BROKER_JVM = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-Djava.awt.headless=true")
BROKER_HEAP = "1g"


@contextmanager
def servers(*, light: bool = False) -> Iterator[Sandbox]:
    """The sandbox with Apache Kafka, because the demo's broker would be measured instead of the worker; with `light` that one."""
    if not light:
        os.environ["KAFKA_HOME"] = str(apache_kafka.obtain().libs.parent)
    sandbox = Sandbox()
    sandbox.mongodb.nodes[0].extra_args = ("--oplogSize", OPLOG_MB)
    if isinstance(sandbox.kafka, ApacheKafka):
        sandbox.kafka.jvm_options, sandbox.kafka.heap = BROKER_JVM, BROKER_HEAP
    with sandbox:
        yield sandbox


class RunningWorker:
    """`watcherctl run` for one database, from streaming on, or without `wait` at once; `settings` are further keys of its file.
    `program` is the module to be run, with its first arguments."""

    def __init__(
        self,
        sandbox: Sandbox,
        directory: Path,
        database: str,
        *,
        wait: bool = True,
        program: Sequence[str] = ("watcher",),
        **settings: Any,
    ) -> None:
        self._directory = directory
        self._wait = wait
        self._program = program
        self._database = database
        self._settings = {
            "mongodb_uri": sandbox.mongodb_uri(database),
            "kafka_brokers": sandbox.kafka_brokers,
            "kafka_client_id": f"{database}-watcher",
            **settings,
        }

    def __enter__(self) -> Self:
        conf_dir = self._directory / "conf.d"
        conf_dir.mkdir()
        (conf_dir / f"{self._database}.toml").write_text(as_toml(self._settings))
        command = [workers_python(), "-m", *self._program, "run", self._database, "--config", str(conf_dir)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while self._wait and self.status().get("state") != "streaming":
            if time.monotonic() > deadline:
                raise SystemExit(f"the worker does not stream: {self.status()}")
            self.check()
            time.sleep(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(START_SECONDS)

    def check(self) -> None:
        """Errors: SystemExit when the worker has ended."""
        if self._process.poll() is not None:
            raise SystemExit(f"the worker has ended: {self.status()}")

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def status(self) -> dict[str, Any]:
        """The worker's status file; empty until there is one."""
        path = self._directory / "run" / f"{self._database}.json"
        return json.loads(path.read_bytes()) if path.exists() else {}
