"""Kafka Connect as a process of its own, in standalone mode, with any connectors; they are given and asked for by REST."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import apache_kafka, cache, maven
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.process import Server

ROOT = Path(__file__).parents[2]
BENCHMARKED = ROOT / "benchmarks" / "peers" / "poms"
PEERS = cache.CACHE / "peers"
POMS = {
    "connect": (BENCHMARKED / "connect.xml", "org.apache.kafka"),
    "debezium": (BENCHMARKED / "debezium.xml", "io.debezium"),
    "mongodb-connector": (BENCHMARKED / "mongodb-connector.xml", "org.mongodb.kafka"),
    "converter": (ROOT / "tests" / "registry" / "converter.xml", "io.apicurio"),
}
"""Jars to fetch, and the group whose version counts, by name."""

PLUGINS = ("debezium", "mongodb-connector", "converter")
ANSWER_SECONDS = 30.0
HEAP = "768m"


def jars(name: str) -> Path:
    """The directory with one of POMS; raises SandboxError with the reason if it cannot be had."""
    pom, group = POMS[name]
    return maven.obtain(pom, PEERS / f"{name}-{maven.version(pom, group)}")


def jars_or_skip() -> None:
    """Get all jars. Without them the test is skipped, or fails where Apache Kafka is required."""
    try:
        for name in POMS:
            jars(name)
    except SandboxError as error:
        (pytest.fail if apache_kafka.required() else pytest.skip)(f"no Kafka Connect: {error}")


def ask(address: str, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
    """Ask a worker's REST interface; returns the JSON that it answers. Errors: OSError, urllib.error.URLError."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://{address}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
        return json.loads(response.read() or b"null")


class KafkaConnect(Server):
    """A worker without connectors at first; its port is that of Connect's REST interface."""

    name = "connect"
    start_timeout_s = 120.0

    def __init__(self, directory: Path, brokers: str, worker: Mapping[str, str] | None = None) -> None:
        """`worker` are further properties of the worker."""
        super().__init__(directory)
        self._worker = {
            "bootstrap.servers": brokers,
            "plugin.path": ",".join(str(jars(plugin)) for plugin in PLUGINS),
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms": "10000",
            **(worker or {}),
        }

    def prepare(self) -> None:
        """Write the worker's file."""
        super().prepare()
        own = {"listeners": f"http://{self.address}", "offset.storage.file.filename": str(self.directory / "offsets")}
        lines = [f"{key}={value}" for key, value in {**self._worker, **own}.items()]
        self._worker_file.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str | Path]:
        """Java, with the logging of warnings alone; for a quick start, as the sandbox's broker."""
        java = apache_kafka.obtain().java
        options = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Xmx{HEAP}", "-Dorg.apache.logging.log4j.level=WARN")
        classes = f"{jars('connect') / 'libs'}/*"
        return [java, *options, "-cp", classes, "org.apache.kafka.connect.cli.ConnectStandalone", self._worker_file]

    def answers(self) -> bool:
        """True once it can be given connectors."""
        try:
            ask(self.address, "GET", "/connectors")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Give it a connector. Raises AssertionError with Connect's answer if it is refused."""
        try:
            ask(self.address, "PUT", f"/connectors/{name}/config", {**config, "name": name})
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{name}: {error.read().decode()}") from error

    def remove(self, name: str) -> None:
        """End a connector."""
        ask(self.address, "DELETE", f"/connectors/{name}")

    def stop_connector(self, name: str) -> list[dict[str, Any]]:
        """Stop a connector; returns the offsets where it goes on when it is resumed."""
        ask(self.address, "PUT", f"/connectors/{name}/stop")
        offsets = ask(self.address, "GET", f"/connectors/{name}/offsets")["offsets"]
        return [each["offset"] for each in offsets]

    def runs(self, name: str) -> bool:
        """True if the connector's task runs. Raises AssertionError with the reason when it has failed."""
        try:
            tasks: Sequence[Any] = ask(self.address, "GET", f"/connectors/{name}/status")["tasks"]
        except urllib.error.HTTPError:  # not known yet
            return False
        failed = [task["trace"] for task in tasks if task["state"] == "FAILED"]
        assert not failed, f"{name} has failed: {failed[0]}"
        return [task["state"] for task in tasks] == ["RUNNING"]

    @property
    def _worker_file(self) -> Path:
        return self.directory / "worker.properties"
