"""Row 3: SIGTERM in mid-batch.

Goal: the transaction in hand is finished, the exit code is 0 within 15 s, and nothing is lost, doubled or out of order.
Method: a backlog of many transactions over a link to Kafka that lets 1 MB through in a second, so that it takes half a minute;
SIGTERM a random moment after the first of them, three times on the way. After each stop the status file has to tell the number of
the last message that is committed, and no transaction may have been left open: what readers of committed messages may read ends
where the log ends.
"""

from __future__ import annotations

import time
from random import Random
from typing import Any

from confluent_kafka import IsolationLevel

from tests.faults.conftest import Settle
from tests.support.fault_matrix import FaultReport
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.records import end_offsets
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.worker.process import DRAIN_SECONDS

pytest_plugins = ["tests.support.worker_fixtures"]

DOCUMENTS = 800
DOCUMENT_BYTES = 40_000
LINK_BYTES_PER_S = 1_000_000
STOPS = 3
LONGEST_WORK_S = 0.2
AT_ONCE_S = 5.0


def test_terminated_with_a_backlog(
    launch: Launch,
    settings: dict[str, Any],
    kafka_proxy: TcpProxy,
    oracle: Oracle,
    inbox: Inbox,
    settle: Settle,
    rng: Random,
    fault_report: FaultReport,
) -> None:
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address})
    worker.reached()
    worker.stop()
    for number in range(DOCUMENTS):
        oracle.insert("users", number, text="x" * DOCUMENT_BYTES)
    kafka_proxy.behave(bytes_per_s=LINK_BYTES_PER_S)
    committed = [stopped_after_a_moment(worker, inbox, rng) for _ in range(STOPS)]
    assert 0 < committed[0] < committed[1] < committed[2] < DOCUMENTS, "it was not in mid-batch"
    fault_report.count(faults=STOPS)
    kafka_proxy.heal()
    worker.start()
    settle(worker)


def stopped_after_a_moment(worker: WorkerProcess, inbox: Inbox, rng: Random) -> int:
    """Run until something was delivered, and a moment more; the number of messages committed ever."""
    worker.start()
    eventually(lambda: worker.status.get("pid") == worker.pid and worker.status["messagesCommitted"])
    time.sleep(rng.uniform(0, LONGEST_WORK_S))
    assert worker.stop(DRAIN_SECONDS) == 0
    assert worker.status["state"] == "stopped"
    eventually(lambda: has_no_open_transaction(inbox), AT_ONCE_S)
    read = len(inbox.records())
    assert read == worker.status["sequence"]
    return read


def has_no_open_transaction(inbox: Inbox) -> bool:
    """Return True if what readers of committed messages may read ends where the topics end."""
    committed, whole = (
        end_offsets(inbox.bootstrap, inbox.topics, isolation=isolation)
        for isolation in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    )
    return committed == whole
