"""Fixtures that the rows of the fault matrix share: an oracle that writes, and the comparison at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.fault_matrix import FaultReport
from tests.support.oracle import Oracle
from tests.support.snapshot_messages import Message, check, twice
from tests.support.worker import Inbox, WorkerProcess

Settle = Callable[..., None]
Compare = Callable[..., None]
Copied = Callable[..., list[Message]]


@pytest.fixture
def oracle(db: Database[dict[str, Any]]) -> Oracle:
    """Writes to the test's database, and knows what it has written."""
    return Oracle(db)


@pytest.fixture
def settle(oracle: Oracle, inbox: Inbox, fault_report: FaultReport, compare: Compare) -> Settle:
    """`settle(worker)`: let it deliver the rest, end it, and compare all of Kafka with all writes; counts them."""

    def settle(worker: WorkerProcess, timeout_s: float = 60.0) -> None:
        inbox.records(oracle.certain_writes, timeout_s)
        fault_report.measure(worker.pid)
        assert worker.stop() == 0, worker.output
        compare()

    return settle


@pytest.fixture
def compare(oracle: Oracle, inbox: Inbox, fault_report: FaultReport) -> Compare:
    """`compare()`: once as many messages are in Kafka as MongoDB has acknowledged writes, compare them; counts them."""

    def compare(timeout_s: float = 60.0) -> None:
        records = inbox.records(oracle.certain_writes, timeout_s)
        oracle.check(records)
        fault_report.count(writes=oracle.certain_writes, messages=len(records))

    return compare


@pytest.fixture
def copied(inbox: Inbox, db: Database[dict[str, Any]], fault_report: FaultReport) -> Copied:
    """`copied(worker, writes=…)`: once a snapshot is complete and nobody writes any more, compare all of Kafka with MongoDB, and
    end the worker, which has logged no error; counts and returns the messages. With `again`, documents may have been copied twice.
    """

    def copied(worker: WorkerProcess, *, writes: int, again: bool = False, timeout_s: float = 30.0) -> list[Message]:
        messages = check(inbox, db, timeout_s=timeout_s)
        assert again or twice(messages) == []
        fault_report.measure(worker.pid)
        fault_report.count(writes=writes, messages=len(messages))
        assert worker.logged("error") == []
        assert worker.stop() == 0, worker.output
        return messages

    return copied


@pytest.fixture
def fleet_directory() -> Iterator[Path]:
    """For a fleet: a path as short as supervisord's socket needs it."""
    with tempfile.TemporaryDirectory(prefix="fl-") as directory:
        yield Path(directory)
