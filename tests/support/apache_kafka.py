"""Decides on the broker for the tests, and obtains the jars of Apache Kafka from Maven Central, once for this checkout."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from watcher.sandbox.binaries import KafkaHome, apache_kafka_in, find_apache_kafka
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import ApacheKafka, Broker, NoidaBroker
from watcher.sandbox.process import free_port

BROKER_USED = pytest.StashKey[str]()
"""Product and version of the session's broker, once it runs."""

ROOT = Path(__file__).parents[2]
POM = ROOT / "tests" / "kafka" / "pom.xml"
DOWNLOAD_TIMEOUT_S = 600
NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


def required() -> bool:
    """Whether the tests must not make do with another broker."""
    return os.environ.get("REQUIRE_APACHE_KAFKA") == "1"


def choose_broker(directory: Path) -> tuple[Broker, str]:
    """The broker for the tests, not started yet, and a remark why it is not Apache Kafka, if it is not.

    Raises SandboxError if Apache Kafka is required and cannot be had.
    """
    try:
        return ApacheKafka(directory, home=obtain(), proxy_port=free_port()), ""
    except SandboxError as error:
        if required():
            raise
        return NoidaBroker(directory), f" (Apache Kafka: {error})"


def obtain() -> KafkaHome:
    """The Apache Kafka in $KAFKA_HOME, else that of pom.xml; raises SandboxError with the reason if neither can be had."""
    if named := find_apache_kafka():
        return named
    home = ROOT / ".cache" / f"kafka-{_version()}"
    home.parent.mkdir(exist_ok=True)
    # Two test runs at once download only once; the lock file stays, for removing it would let a third one in.
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _download(home)
    return apache_kafka_in(home)


def _version() -> str:
    for dependency in ElementTree.parse(POM).iterfind(".//m:dependency", NAMESPACE):
        if dependency.findtext("m:groupId", namespaces=NAMESPACE) == "org.apache.kafka":
            return dependency.findtext("m:version", default="", namespaces=NAMESPACE)
    raise AssertionError(f"{POM} names no org.apache.kafka")


def _download(home: Path) -> None:
    """Fill a directory of another name and rename it, so that half a download is never taken for a whole one."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise SandboxError("mvn not found", hint="install Maven, or name an Apache Kafka in $KAFKA_HOME")
    if shutil.which("java") is None:
        raise SandboxError("java not found", hint="install Java 17 or later")
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        _copy_dependencies(mvn, Path(scratch) / "kafka" / "libs")
        (Path(scratch) / "kafka").rename(home)


def _copy_dependencies(mvn: str, libs: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
    command = [mvn, "--batch-mode", "--quiet", "--file", str(POM), *goal]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise SandboxError("mvn could not get the jars", hint=done.stdout[-2000:])
