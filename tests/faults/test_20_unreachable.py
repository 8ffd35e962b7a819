"""Row 20: Kafka, then MongoDB cannot be reached: packets vanish, and no connection is refused.

Goal: the worker rides it out with bounded memory, also with documents of 10 MB, and nothing is lost, doubled or out of order.
Method: proxies that swallow all bytes stand before both. Under load Kafka is unreachable, for longer than a transaction may last;
then MongoDB, for longer than its driver waits for a heartbeat. The short form shortens these times by settings; in the long form
Kafka is away for two minutes with nothing but the built-in settings.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo.database import Database

from tests.faults.conftest import Settle
from tests.support.background import Background
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
AWAY_S, AWAY_LONG_S = 8.0, 120.0
COMMITTED_AGAIN_WITHIN_S = 60.0
IMPATIENT = {"message.timeout.ms": 5000, "transaction.timeout.ms": 5000}
LARGE_BYTES = 10_000_000
LIMIT_BYTES = 12_000_000


@pytest.fixture
def proxied(settings: Document, kafka_proxy: TcpProxy, mongo_proxy: TcpProxy, database: str, long_form: bool) -> Document:
    """A watcher behind both proxies."""
    patience = "" if long_form else "&heartbeatFrequencyMS=500&connectTimeoutMS=2000"
    uri = f"mongodb://{mongo_proxy.address}/{database}?directConnection=true{patience}"
    return settings | {"mongodb_uri": uri, "kafka_brokers": kafka_proxy.address, "kafka": {} if long_form else dict(IMPATIENT)}


@pytest.fixture
def away_s(long_form: bool) -> float:
    """Seconds for which each of them is away."""
    return AWAY_LONG_S if long_form else AWAY_S


def out_of_reach(proxy: TcpProxy, component: str, worker: WorkerProcess, seconds: float, report: FaultReport) -> None:
    """The worker says who is away, and streams again when he is back."""
    proxy.behave(swallow=True)
    time.sleep(seconds)
    status = worker.reached("waiting")
    assert status["lastError"]["component"] == component
    report.measure(worker.pid)
    committed = status["messagesCommitted"]
    proxy.heal()
    healed = time.monotonic()
    eventually(lambda: worker.status["messagesCommitted"] > committed, COMMITTED_AGAIN_WITHIN_S)
    report.recovered(time.monotonic() - healed)
    report.count(faults=1)


def test_one_after_the_other(
    launch: Launch,
    proxied: Document,
    kafka_proxy: TcpProxy,
    mongo_proxy: TcpProxy,
    oracle: Oracle,
    settle: Settle,
    away_s: float,
    fault_report: FaultReport,
    seed: int,
) -> None:
    worker = launch(proxied)
    worker.reached()
    pid = worker.pid
    with Load(oracle, seed=seed):
        out_of_reach(kafka_proxy, "kafka", worker, away_s, fault_report)
        out_of_reach(mongo_proxy, "mongodb", worker, away_s, fault_report)
    settle(worker)
    assert worker.pid == pid
    assert worker.logged("error") == []


@pytest.mark.parametrize("limit", [None, LIMIT_BYTES], ids=["too-large-for-kafka", "not-too-large"])
def test_large_documents_while_kafka_is_away(
    limit: int | None,
    launch: Launch,
    proxied: Document,
    kafka_proxy: TcpProxy,
    apache: ApacheKafka,
    inbox: Inbox,
    db: Database[Document],
    away_s: float,
    fault_report: FaultReport,
) -> None:
    """Those that Kafka does not take are told; the others arrive whole."""
    if limit:
        inserts = NewTopic(proxied["kafka_topic_insert"], 1, 1, config={"max.message.bytes": str(limit)})
        admin = AdminClient(apache.admin_properties())
        admin.create_topics([inserts])[inserts.topic].result(20)
        proxied["kafka"]["message.max.bytes"] = limit
    worker = launch(proxied)
    worker.reached()
    with large_documents(db) as written:
        inbox.messages(1, timeout_s=60)
        out_of_reach(kafka_proxy, "kafka", worker, away_s, fault_report)
    messages = inbox.messages(written() * (1 if limit else 2), timeout_s=120)
    inserts = [message for message in messages if message["operationType"] == "insert"]
    assert [message["documentKey"]["_id"] for message in inserts] == list(range(written()))
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
    assert all(bool(message.get("truncated")) == (limit is None) for message in inserts)
    fault_report.measure(worker.pid)
    fault_report.count(writes=written(), messages=len(messages))
    assert worker.stop() == 0


@contextmanager
def large_documents(db: Database[Document], pause_s: float = 1.0) -> Iterator[Callable[[], int]]:
    """Insert one a second for the length of the block; what it gives tells how many there are."""
    count = 0

    def insert(stop: threading.Event) -> None:
        nonlocal count
        while not stop.wait(pause_s):
            db.users.insert_one({"_id": count, "text": "x" * LARGE_BYTES})
            count += 1

    with Background(insert, "large-documents"):
        yield lambda: count
