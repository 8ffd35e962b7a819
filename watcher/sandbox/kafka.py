"""A Kafka broker of our own: Apache Kafka (one KRaft node), or the small noida-db broker, behind one interface."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from watcher.sandbox.binaries import KafkaHome, find_apache_kafka, find_noida
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.process import Server, free_port

ANSWER_TIMEOUT_S = 2.0
FORMAT_TIMEOUT_S = 60.0
CLUSTER_ID = "c2FuZGJveC1jbHVzdGVyMQ"
# A fast start matters more than fast running: the first compiler only, early, and the simplest garbage collector.
JVM_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "-XX:CompileThresholdScaling=0.2",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-XX:-UsePerfData",  # twenty times a second, for tools that nobody points at it
    "-Dorg.apache.logging.log4j.level=INFO",
)

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())
_log.propagate = False


class Broker(Server):
    """A Kafka broker on 127.0.0.1."""

    limits: ClassVar[str] = ""
    """Shortcomings beside Kafka, for whoever tries more than a first look."""

    @property
    def bootstrap(self) -> str:
        """The value for `bootstrap.servers`."""
        return self.address

    @property
    def description(self) -> str:
        """Product and version, for a report."""
        raise NotImplementedError

    def admin_properties(self) -> dict[str, str | int | float | bool]:
        """librdkafka's properties for reaching this broker as an administrator."""
        return {"bootstrap.servers": self.bootstrap}

    def answers(self) -> bool:
        """True if the broker lists its topics."""
        if not _accepts(self.port):
            return False
        # librdkafka would print connection errors on stderr; `logger` takes them instead.
        admin = AdminClient(self.admin_properties(), logger=_log)
        try:
            return bool(admin.list_topics(timeout=ANSWER_TIMEOUT_S).brokers)
        except KafkaException:
            return False


class NoidaBroker(Broker):
    """The noida-db broker. It starts in a tenth of a second and needs no Java. It saves its data only at an orderly stop."""

    name = "noida-db"
    limits = (
        "This Kafka is a small stand-in for a first look. It loses its data when it is killed. After an aborted transaction, as "
        "when a worker is killed, it hides later messages from a consumer that starts again. It answers without a limit of size, "
        "so a topic of over 100 MB cannot be read from its beginning. To try such things, name an Apache Kafka in $KAFKA_HOME."
    )

    @property
    def description(self) -> str:
        """Product and version, as in `noida-db 0.2.3`."""
        from importlib.metadata import version

        return f"noida-db {version('noida-db')}"

    def command(self) -> list[str | Path]:
        """The command that starts only noida-db's Kafka part."""
        data = self.directory / "data"
        return [find_noida(), "start", "--only", "kafka", "--host", "127.0.0.1", "--kafka-port", str(self.port), "--data-dir", data]


class ApacheKafka(Broker):
    """One KRaft node, broker and controller in one. `properties` are added to its server.properties, or replace the defaults there.

    With `proxy_port` there is a second listener on `behind_proxy_port`, whose clients are told to connect to `proxy_port`. Kafka's
    clients connect to the address that the broker advertises. So a proxy between the two ports sees all of their traffic, and not
    only its beginning.

    `properties` that demand credentials need the matching librdkafka properties in `client_properties`. `jvm_options` are Java's
    options; they may be changed until the start.
    """

    name = "kafka"

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        home: KafkaHome,
        auto_create_topics: bool = True,
        proxy_port: int | None = None,
        properties: Mapping[str, str] | None = None,
        client_properties: Mapping[str, str] | None = None,
        heap: str = "512m",
    ) -> None:
        super().__init__(directory, port)
        self.home = home
        self.controller_port = free_port()
        self.auto_create_topics = auto_create_topics
        self.proxy_port = proxy_port
        self.behind_proxy_port = free_port()
        self.properties = dict(properties or {})
        self.client_properties = dict(client_properties or {})
        self.heap = heap
        self.jvm_options: Sequence[str] = JVM_OPTIONS

    @property
    def description(self) -> str:
        """Product and version, as in `Apache Kafka 4.2.1 (KRaft)`."""
        return f"Apache Kafka {self.home.version} (KRaft)"

    def ports(self) -> Sequence[int]:
        """All ports of 127.0.0.1 on which the broker will listen."""
        return [int(listener.rpartition(":")[2]) for listener in self._settings()["listeners"].split(",")]

    def prepare(self) -> None:
        """Write server.properties. At the first start, also format the storage."""
        super().prepare()
        lines = [f"{key}={value}" for key, value in self._settings().items()]
        self._config.write_text("\n".join(lines) + "\n")
        if not self._data.exists():
            self._format()

    def command(self) -> list[str | Path]:
        """The command that starts the broker, with a heap that is small but sufficient for tests."""
        return self._java("kafka.Kafka", self._config, options=[f"-Xms{self.heap}", f"-Xmx{self.heap}"])

    def complaint(self, line: str) -> str | None:
        """Return the line, except for stack traces and the many lines about what goes well."""
        return None if line.startswith("\t") or " INFO " in line else line

    def admin_properties(self) -> dict[str, str | int | float | bool]:
        """librdkafka's properties for reaching this broker as an administrator."""
        return {**super().admin_properties(), **self.client_properties}

    @property
    def _config(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _java(self, main: str, *arguments: str | Path, options: list[str]) -> list[str | Path]:
        archive = [f"-XX:SharedArchiveFile={self.home.classes}"] if self.home.classes else []
        return [self.home.java, *self.jvm_options, *archive, *options, "-cp", f"{self.home.libs}/*", main, *arguments]

    def _settings(self) -> dict[str, str]:
        return {**self._defaults(), **self._proxied(), **self.properties}

    def _defaults(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": self._listeners,
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": str(self.auto_create_topics).lower(),
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed may start again only after its old session has ended; the default is 9 s.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "1000",
            # An idle broker would write two records a second that say nothing, and need twice as much of the processor.
            "metadata.max.idle.interval.ms": "0",
            # One broker can keep only one copy of anything. Internal topics with few partitions are created faster.
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
        }

    @property
    def _listeners(self) -> str:
        return f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"

    def _proxied(self) -> dict[str, str]:
        """The settings of the second listener, if there is a proxy."""
        if self.proxy_port is None:
            return {}
        return {
            "listeners": f"{self._listeners},PROXIED://127.0.0.1:{self.behind_proxy_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.proxy_port}",
        }

    def _format(self) -> None:
        arguments = ("format", "--config", self._config, "--cluster-id", CLUSTER_ID, "--ignore-formatted")
        command = self._java("kafka.tools.StorageTool", *arguments, options=["-Xmx128m"])
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, cwd=self.directory, check=False
            )
        except subprocess.TimeoutExpired:
            shutil.rmtree(self._data, ignore_errors=True)
            raise SandboxError(
                f"Apache Kafka's storage could not be formatted within {FORMAT_TIMEOUT_S:.0f} s.",
                hint="if this machine is too busy, try again",
            ) from None
        if done.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise SandboxError("Apache Kafka's storage could not be formatted.", hint=(done.stderr or done.stdout).strip())


def find_broker(directory: Path, port: int | None = None) -> Broker:
    """Return the Apache Kafka in $KAFKA_HOME if that is set, else noida-db. It is not started yet."""
    home = find_apache_kafka()
    return ApacheKafka(directory, port, home=home) if home else NoidaBroker(directory, port)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S):
            return True
    except OSError:
        return False
