"""Apicurio Registry as a process of its own, with everything in memory; and confluent-kafka's own reader of messages in Avro."""

from __future__ import annotations

import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.support import apache_kafka, cache, maven
from tests.support.records import Record
from tests.support.worker import Inbox
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.process import Server

POM = Path(__file__).parents[1] / "registry" / "pom.xml"
ANSWER_SECONDS = 10.0
TEXTS = ("documentKey", "fullDocument", "fullDocumentBeforeChange", "updateDescription")


def obtain() -> Path:
    """The directory with the registry's jars; raises SandboxError with the reason if it cannot be had."""
    home = maven.obtain(POM, cache.CACHE / f"registry-{maven.version(POM, 'io.apicurio')}")
    return cache.obtain(home / "unpacked", lambda new: _unpack(home, new))


def _unpack(home: Path, new: Path) -> None:
    [archive] = (home / "libs").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(new, filter="data")
    archive.unlink()


def registry_or_skip(directory: Path) -> Apicurio:
    """A registry that is not started yet. Without one the test is skipped, or fails where Apache Kafka is required."""
    try:
        return Apicurio(directory)
    except SandboxError as error:
        (pytest.fail if apache_kafka.required() else pytest.skip)(f"no schema registry: {error}")


class Apicurio(Server):
    """A registry with Confluent's interface at `url`. When it is started again, it is empty."""

    name = "registry"
    start_timeout_s = 120.0

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._home = obtain()
        self._java = apache_kafka.obtain().java

    @property
    def root(self) -> str:
        """The address in front of all interfaces."""
        return f"http://{self.address}"

    @property
    def url(self) -> str:
        """The address for `[schema_registry]`."""
        return f"{self.root}/apis/ccompat/v7"

    def command(self) -> list[str | Path]:
        """Java; with the options for a quick start, as the sandbox's broker."""
        options = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx192m")
        own = ("-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self.port}", "-Dquarkus.log.level=WARN")
        [runner] = self._home.glob("*-runner.jar")
        return [self._java, *options, *own, "-jar", runner]

    def answers(self) -> bool:
        """True once it lists its subjects."""
        try:
            self.ask("GET", "/apis/ccompat/v7/subjects")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask it; returns the JSON that it answers. Errors: OSError, urllib.error.URLError."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self.address}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
            return json.loads(response.read() or b"null")

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """Register a schema; returns its id."""
        return int(self.ask("POST", f"/apis/ccompat/v7/subjects/{subject}/versions", {"schema": json.dumps(schema)})["id"])

    def demand_compatibility(self) -> None:
        """Take only schemas that are compatible with the ones before; Apicurio takes any unless it is told to."""
        self.ask("POST", "/apis/registry/v2/admin/rules", {"type": "COMPATIBILITY", "config": "BACKWARD"})


class ConfluentReader:
    """Reads keys and values by confluent-kafka's AvroDeserializer, within a `with` block."""

    def __init__(self, url: str) -> None:
        self._client = SchemaRegistryClient({"url": url})
        self._read = AvroDeserializer(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.__exit__(kind, error, trace)

    def value(self, record: Record) -> Any:
        """The value as Python has it; None for a tombstone."""
        return self._read(record.value, SerializationContext(record.topic, MessageField.VALUE)) if record.value else None

    def key(self, record: Record) -> Any:
        """The key as Python has it."""
        return self._read(record.key, SerializationContext(record.topic, MessageField.KEY))

    def as_json(self, record: Record) -> Record:
        """A generic record as the JSON serialization writes it."""
        fields = {name: value for name, value in self.value(record).items() if value is not None}
        rest = json.loads(fields.pop("control", "{}"))
        texts = {name: json.loads(fields[name]) for name in TEXTS if name in fields}
        message = {**fields, **texts, **rest}
        return record._replace(key=self.key(record)["id"].encode(), value=json.dumps(message).encode())


class AvroInbox(Inbox):
    """Generic messages in Avro that have arrived on a watcher's topics, as JSON."""

    def __init__(self, bootstrap: str, topics: Iterable[str], url: str) -> None:
        super().__init__(bootstrap, list(topics))
        self._url = url

    def read(self, timeout_s: float) -> list[Record]:
        """Read all of them, by a reader that knows no schema yet."""
        with ConfluentReader(self._url) as reader:
            return [reader.as_json(record) for record in super().read(timeout_s)]
