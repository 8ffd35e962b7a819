"""The memory of a worker: what large documents take is given back, and never is much."""

from __future__ import annotations

import signal
from typing import Any

import psutil
from pymongo.database import Database

from tests.support.fault_matrix import RSS_LIMIT_MB, peak_rss_mb
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

LARGE_DOCUMENTS, LARGE_BYTES, LARGER_BY_BYTES = 12, 5_000_000, 400_000
MEDIUM_BYTES, SMALL_BYTES = 100_000, 300
WRITES_BETWEEN = 60
KEPT_MB = 15
"""What may stay behind of documents of which each alone can be nearly as large."""


def rss_mb(worker: WorkerProcess) -> float:
    return psutil.Process(worker.pid).memory_info().rss / 1024**2


def write_all_sizes(db: Database[Document]) -> int:
    """Large documents, changed once, between smaller ones whose memory lives longer. Returns how many messages must come."""
    for number in range(LARGE_DOCUMENTS):
        large = db.users.insert_one({"bulk": "x" * (LARGE_BYTES + number * LARGER_BY_BYTES)}).inserted_id
        sizes = (SMALL_BYTES if number % 20 else MEDIUM_BYTES for number in range(WRITES_BETWEEN))
        db.users.insert_many([{"text": "x" * size} for size in sizes])
        db.users.update_one({"_id": large}, {"$set": {"n": 1}})
    with_dead_letter = 2
    return LARGE_DOCUMENTS * (WRITES_BETWEEN + 2 * with_dead_letter)


def test_large_documents_take_little_memory_and_give_it_back(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    """All at once, as after an outage. With glibc's own thresholds the worker reaches 166 MB."""
    worker = launch(settings)
    worker.reached()
    before = rss_mb(worker)
    worker.signal(signal.SIGSTOP)
    messages = write_all_sizes(db)
    worker.signal(signal.SIGCONT)
    inbox.records(messages)
    assert peak_rss_mb(worker.pid) < RSS_LIMIT_MB
    eventually(lambda: rss_mb(worker) - before < KEPT_MB)
