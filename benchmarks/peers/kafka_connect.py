"""Kafka Connect as a process of its own, with one connector: standalone, or distributed, alone or as one of several workers."""

from __future__ import annotations

import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Task
from tests.support import apache_kafka
from tests.support.kafka_connect import ask, jars
from watcher.sandbox.process import Server

HERE = Path(__file__).parent
CONNECTOR = "peer"

JVM_OPTIONS = ("-Xms256m", "-Xmx2g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
"""As connect-standalone.sh and connect-distributed.sh start Java."""


def properties(name: str) -> dict[str, str]:
    """A file of `settings/`, without its comments."""
    lines = (HERE / "settings" / f"{name}.properties").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


@dataclass(frozen=True)
class Connector(Contender):
    """A connector that follows changes, or copies the documents that are there already."""

    copies: bool = False

    @property
    def announces_end(self) -> bool:
        """Of changes; collections are copied in any order, and none is the last."""
        return not self.copies


class ConnectWorker(Server):
    """A worker on which the connector runs; its port is that of Connect's REST interface."""

    name = "connect"
    start_timeout_s = 120.0

    def __init__(
        self, task: Task, plugin: Path, connector: Mapping[str, str], distributed: Mapping[str, str] | None = None
    ) -> None:
        """`distributed`: the settings of a worker in that mode, in which offsets are kept in Kafka, and the connector is told of by
        REST. Workers with one `group.id` in them share it; one without is alone."""
        super().__init__(task.directory)
        self._connector = {**connector, "name": CONNECTOR}
        self._distributed = distributed is not None
        self._group = (distributed or {}).get("group.id", f"connect-{self.port}")
        self._worker = {
            **properties("connect"),
            **(distributed or {}),
            "bootstrap.servers": task.brokers,
            "plugin.path": str(plugin),
        }

    def prepare(self) -> None:
        """Write its files."""
        super().prepare()
        kept = {
            "group.id": self._group,
            **{f"{kind}.storage.topic": f"{self._group}-{kind}" for kind in ("config", "offset", "status")},
        }
        offsets = kept if self._distributed else {"offset.storage.file.filename": str(self.directory / "offsets")}
        _write(self._worker_file, {**self._worker, "listeners": f"http://{self.address}", **offsets})
        _write(self._connector_file, self._connector)

    def command(self) -> list[str | Path]:
        """Java, with the logging of warnings alone."""
        main = "org.apache.kafka.connect.cli." + ("ConnectDistributed" if self._distributed else "ConnectStandalone")
        files = [self._worker_file] if self._distributed else [self._worker_file, self._connector_file]
        libs = jars("connect") / "libs"
        java = apache_kafka.obtain().java
        return [java, *JVM_OPTIONS, "-Dorg.apache.logging.log4j.level=WARN", "-cp", f"{libs}/*", main, *files]

    def answers(self) -> bool:
        """Return True if the connector and its task run; a distributed worker is given the connector at its first answer."""
        try:
            if self._distributed and CONNECTOR not in ask(self.address, "GET", "/connectors"):
                ask(self.address, "PUT", f"/connectors/{CONNECTOR}/config", self._connector)
            return [task["state"] for task in self._status()["tasks"]] == ["RUNNING"]
        except (OSError, urllib.error.URLError):
            return False

    def check(self) -> None:
        """Errors: SystemExit with the reason when the connector or the worker has ended."""
        if not self.running:
            raise SystemExit(f"Kafka Connect has ended: {self._log_tail()}")
        failed = [task["trace"] for task in self._status()["tasks"] if task["state"] == "FAILED"]
        if failed:
            raise SystemExit(f"the connector has failed: {failed[0][:500]}")

    @property
    def has_task(self) -> bool:
        """True if the connector's task runs here, and not on another worker of the group."""
        return [task["worker_id"] for task in self._status()["tasks"]] == [self.address]

    def _status(self) -> Any:
        return ask(self.address, "GET", f"/connectors/{CONNECTOR}/status")

    @property
    def _worker_file(self) -> Path:
        return self.directory / "worker.properties"

    @property
    def _connector_file(self) -> Path:
        return self.directory / "connector.properties"


def _write(path: Path, values: Mapping[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
