"""Decides on the broker for the tests, and obtains the jars of Apache Kafka from Maven Central, once for this checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import maven
from watcher.sandbox.binaries import KafkaHome, apache_kafka_in, find_apache_kafka
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import ApacheKafka, Broker, NoidaBroker
from watcher.sandbox.process import free_port

BROKER_USED = pytest.StashKey[str]()
"""Product and version of the session's broker, once it runs."""

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
        return ApacheKafka(directory, port, home=obtain(), proxy_port=free_port()), ""
    except SandboxError as error:
        if required():
            raise
        return NoidaBroker(directory, port), f" (Apache Kafka: {error})"


def obtain() -> KafkaHome:
    """The Apache Kafka in $KAFKA_HOME, else that of pom.xml; raises SandboxError with the reason if neither can be had."""
    if named := find_apache_kafka():
        return named
    return apache_kafka_in(maven.obtain(POM, ROOT / ".cache" / f"kafka-{maven.version(POM, 'org.apache.kafka')}"))
