"""The memory of a worker: an idle one has little, what work takes is given back, and large documents never take much."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from pymongo.database import Database

from tests.support.fault_matrix import RSS_LIMIT_MB, peak_rss_mb
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

LARGE_DOCUMENTS, LARGE_BYTES, LARGER_BY_BYTES = 12, 5_000_000, 400_000
MEDIUM_BYTES, SMALL_BYTES = 100_000, 300
WRITES_BETWEEN = 60
AT_REST_S = 20.0
KEPT_MB = 15
"""Memory that may stay behind of documents of which each alone can be nearly as large."""

IDLE_OWN_MB = 36
"""An idle worker has 30 MB of its own here, where pymongo finds `cryptography`; benchmarks/memory.py measures it as users have it.
Pages of files don't count: workers share them, and how many are mapped depends on what the machine has cached."""

BACKLOG = 20_000
KEPT_OF_BACKLOG_MB = 8
"""5 MB stay after the first backlog, and no more after the tenth."""


def own_mb(worker: WorkerProcess) -> float:
    """Return what it has in memory that is not a file's (RssAnon in proc_pid_status(5))."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))) / 1024


def own_memory_is_below(worker: WorkerProcess, limit_mb: float) -> bool:
    own = own_mb(worker)
    assert own < limit_mb, f"the worker has {own:.1f} MB of its own, and {limit_mb:.1f} MB is the limit"
    return True


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
    before = own_mb(worker)
    worker.signal(signal.SIGSTOP)
    messages = write_all_sizes(db)
    worker.signal(signal.SIGCONT)
    inbox.records(messages)
    assert peak_rss_mb(worker.pid) < RSS_LIMIT_MB
    eventually(lambda: own_memory_is_below(worker, before + KEPT_MB), AT_REST_S)


def test_an_idle_worker_is_small_also_after_work(launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]) -> None:
    """Without giving it back at rest the worker keeps 14 MB of the backlog."""
    worker = launch(settings)
    worker.reached()
    eventually(lambda: own_memory_is_below(worker, IDLE_OWN_MB), AT_REST_S)
    idle = own_mb(worker)
    worker.signal(signal.SIGSTOP)
    for _ in range(BACKLOG // 1000):
        db.users.insert_many([{"text": "x" * SMALL_BYTES} for _ in range(1000)])
    worker.signal(signal.SIGCONT)
    inbox.records(BACKLOG)
    eventually(lambda: own_memory_is_below(worker, idle + KEPT_OF_BACKLOG_MB), AT_REST_S)
