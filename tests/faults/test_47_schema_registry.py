"""Row 47: the schema registry is away, slow, refuses, is wiped, or has an incompatible schema.

Goal: a registry that is away or slow is an outage that is ridden out, and whoever has the ids goes on without it. A refusal ends
the worker with a hint. No message has an id under which the registry knows another schema, but for those of the seconds before the
worker notices that the registry was wiped; after that all can be read again.
Method: a proxy before the registry; the registry started again, which empties it; a schema of somebody else's; a registry of the
test's own that refuses credentials. Messages are read back by confluent-kafka's AvroDeserializer.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fake_registry import fake_registry
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.records import read_topics
from tests.support.registry import Apicurio, AvroInbox, ConfluentReader
from tests.support.waiting import eventually
from tests.support.worker import Launch, WorkerProcess
from watcher.registry.id_check import LOOK_SECONDS
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.registry_fixtures"]

Document = dict[str, Any]
CONFIGURATION, NOT_PERMITTED = 78, 77
OTHER_SCHEMA = {"type": "record", "name": "Other", "fields": [{"name": "n", "type": "int"}]}


@pytest.fixture
def proxy(registry: Apicurio) -> Iterator[TcpProxy]:
    with TcpProxy(registry.port) as proxy:
        yield proxy


@pytest.fixture
def avro(settings: Document, registry: Apicurio, proxy: TcpProxy) -> Document:
    """A watcher that asks the registry through the proxy."""
    url = registry.url.replace(registry.address, proxy.address)
    return settings | {"serialization": "avro", "schema_registry": {"url": url, "timeout": 1}}


@pytest.fixture
def inbox(kafka: Broker, settings: Document, registry: Apicurio) -> AvroInbox:
    """The watcher's topics, read as Avro."""
    return AvroInbox(kafka.bootstrap, topics_of(settings), registry.url)


def topics_of(settings: Document) -> list[str]:
    return [value for key, value in settings.items() if key.startswith("kafka_topic")]


def begun(launch: Launch, settings: Document) -> WorkerProcess:
    """A worker that has a position, and has ended."""
    worker = launch(settings)
    worker.reached()
    assert worker.stop() == 0
    return worker


def settled(worker: WorkerProcess, oracle: Oracle, inbox: AvroInbox, report: FaultReport) -> None:
    """Let it deliver the rest, end it, and compare all of Kafka with all writes."""
    records = inbox.records(oracle.certain_writes)
    report.measure(worker.pid)
    assert worker.stop() == 0, worker.output
    oracle.check(records)
    report.count(faults=1, writes=oracle.certain_writes, messages=len(records))


def waits_for_registry(worker: WorkerProcess) -> bool:
    status = worker.status
    return status.get("state") == "waiting" and status["lastError"]["component"] == "schema-registry"


def test_an_outage_is_ridden_out(
    launch: Launch,
    avro: Document,
    proxy: TcpProxy,
    oracle: Oracle,
    inbox: AvroInbox,
    fault_report: FaultReport,
    seed: int,
) -> None:
    """Away and silent at the start, and away while the worker streams and has its ids."""
    worker = begun(launch, avro)
    with Load(oracle, seed=seed):
        for hurt in (proxy.refuse, lambda: proxy.behave(swallow=True)):
            hurt()
            worker.start()
            eventually(lambda: waits_for_registry(worker))
            assert "The worker keeps trying" in worker.status["lastError"]["hint"]
            proxy.accept() if hurt == proxy.refuse else proxy.heal()
            worker.reached()
            proxy.refuse()
            before = worker.status["sequence"]
            eventually(lambda before=before: worker.status["sequence"] > before + 50)
            assert worker.stop() == 0
            proxy.accept()
        worker.start()
        worker.reached()
    settled(worker, oracle, inbox, fault_report)


def test_a_slow_registry_only_takes_its_time(
    launch: Launch, avro: Document, proxy: TcpProxy, oracle: Oracle, inbox: AvroInbox, fault_report: FaultReport, seed: int
) -> None:
    worker = begun(launch, avro)
    proxy.behave(latency_s=0.05)
    with Load(oracle, seed=seed):
        worker.start()
        worker.reached()
        eventually(lambda: worker.status["sequence"] > 50)
    assert worker.status["reopens"] == 0
    settled(worker, oracle, inbox, fault_report)


def test_ids_of_a_registry_that_was_wiped_are_replaced(
    launch: Launch,
    avro: Document,
    registry: Apicurio,
    settings: Document,
    db: Database[Document],
    kafka: Broker,
    fault_report: FaultReport,
) -> None:
    worker = launch(avro)
    worker.reached()
    db.users.insert_one({"_id": "before"})
    eventually(lambda: worker.status["sequence"] == 1)
    registry.restart()
    for number in range(8):  # so that the old ids belong to others
        registry.register(f"other-{number}", OTHER_SCHEMA | {"name": f"Other{number}"})
    numbers = itertools.count()

    def noticed() -> bool:
        db.users.insert_one({"_id": next(numbers)})
        return any("no longer knows the ids" in line["event"] for line in worker.logged("warning"))

    eventually(noticed, 2 * LOOK_SECONDS, interval_s=0.5)
    written = next(numbers) + 1
    eventually(lambda: worker.status["sequence"] == written)
    db.users.insert_one({"_id": "after"})
    eventually(lambda: worker.status["sequence"] == written + 1)
    with ConfluentReader(registry.url) as reader:
        records = sorted(read_topics(kafka.bootstrap, topics_of(settings)), key=lambda record: record.timestamp_ms)
        readable = [reader.value(record) for record in records if registry_knows_ours(registry, record.value or b"")]
    assert json.loads(readable[-1]["fullDocument"]) == {"_id": "after"}
    assert [value["sequence"] for value in readable] == [*range(written + 2 - len(readable), written + 2)]
    assert worker.stop() == 0
    fault_report.count(faults=1, writes=written + 1, messages=len(records))


def registry_knows_ours(registry: Apicurio, value: bytes) -> bool:
    schema = json.loads(registry.ask("GET", f"/apis/ccompat/v7/schemas/ids/{int.from_bytes(value[1:5])}")["schema"])
    return schema["name"] == "Message"


def test_an_incompatible_schema_ends_it(
    launch: Launch, avro: Document, registry: Apicurio, settings: Document, kafka: Broker, fault_report: FaultReport
) -> None:
    registry.demand_compatibility()
    registry.register(f"{settings['kafka_topic_insert']}-value", OTHER_SCHEMA)
    worker = launch(avro)
    assert worker.wait() == CONFIGURATION
    [error] = worker.logged("error")
    assert "is incompatible with those of" in error["event"]
    assert "another subject.name.strategy" in error["hint"]
    assert read_topics(kafka.bootstrap, topics_of(settings)) == []
    fault_report.count(faults=1)


def test_refused_credentials_end_it_unless_they_are_replaced(
    launch: Launch, settings: Document, tmp_path: Path, fault_report: FaultReport
) -> None:
    with fake_registry() as refusing:
        refusing.fails_with = 401, {"error_code": 40101, "message": "User cannot access the resource."}
        table: Document = {"url": refusing.url, "basic.auth.user.info": "watcher:wrong"}
        worker = launch(settings | {"serialization": "avro", "schema_registry": table})
        assert worker.wait() == NOT_PERMITTED
        assert "basic.auth.user.info" in worker.logged("error")[0]["hint"]
        (tmp_path / "login").write_text("watcher:wrong\n")
        table = {"url": refusing.url, "basic.auth.user.info_file": str(tmp_path / "login")}
        patient = launch(settings | {"serialization": "avro", "schema_registry": table})
        eventually(lambda: waits_for_registry(patient))
        (tmp_path / "login").write_text("watcher:right\n")
        refusing.fails_with = None
        patient.reached()
        assert patient.stop() == 0
    fault_report.count(faults=2)
