"""Decides on the broker for the tests, and obtains the jars of Apache Kafka from Maven Central, once for this checkout."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.support import maven
from tests.support.records import QUIET
from watcher.sandbox.binaries import KafkaHome, apache_kafka_in, find_apache_kafka
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import ApacheKafka, Broker, NoidaBroker
from watcher.sandbox.process import free_port

BROKER_USED = pytest.StashKey[str]()
"""Product and version of the session's broker, once it runs."""

FRUGAL = {"num.network.threads": "1", "num.io.threads": "2"}
"""Properties of a broker that mostly waits. Kafka's own 28 threads for requests look three times a second whether there is one."""

ROOT = Path(__file__).parents[2]
POM = ROOT / "tests" / "kafka" / "pom.xml"


def required() -> bool:
    """Return True if the tests must not make do with another broker."""
    return os.environ.get("REQUIRE_APACHE_KAFKA") == "1"


def choose_broker(directory: Path, port: int | None = None) -> tuple[Broker, str]:
    """The broker for the tests, not started yet, and a remark why it is not Apache Kafka, if it is not; on `port`, or a free one.

    Raises SandboxError if Apache Kafka is required and cannot be had.
    """
    try:
        return ApacheKafka(directory, port, home=obtain(), proxy_port=free_port(), properties=FRUGAL), ""
    except SandboxError as error:
        if required():
            raise
        return NoidaBroker(directory, port), f" (Apache Kafka: {error})"


def obtain() -> KafkaHome:
    """The Apache Kafka in $KAFKA_HOME, else that of pom.xml; raises SandboxError with the reason if neither can be had."""
    if named := find_apache_kafka():
        return named
    home = apache_kafka_in(maven.obtain(POM, ROOT / ".cache" / f"kafka-{maven.version(POM, 'org.apache.kafka')}"))
    archive = _archive_of(home)
    return replace(home, classes=archive) if archive.exists() else home


def keep_classes() -> None:
    """Make the archive of classes that `obtain` gives from then on: what a broker loads that starts, writes a transaction and ends.

    Errors: SandboxError.
    """
    home = obtain()
    if find_apache_kafka() or home.classes:
        return
    with tempfile.TemporaryDirectory(dir=home.libs.parent) as directory:
        new = Path(directory) / "new.jsa"
        broker = ApacheKafka(Path(directory) / "kafka", home=home)
        broker.jvm_options = (*broker.jvm_options, f"-XX:ArchiveClassesAtExit={new}")
        with broker:
            producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "classes"}, logger=QUIET)
            producer.init_transactions()
            producer.begin_transaction()
            producer.produce("classes", b"")
            producer.commit_transaction()
        if new.exists():
            new.rename(_archive_of(home))


def _archive_of(home: KafkaHome) -> Path:
    return home.libs.parent / "classes.jsa"
