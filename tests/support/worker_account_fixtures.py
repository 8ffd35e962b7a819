"""The account of a worker of its own for each test, at a time that stands still."""

from __future__ import annotations

import time

import pytest

from tests.support.still_clock import StillClock
from tests.support.worker_account import account
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The monotonic clock."""
    clock = StillClock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def progress(clock: StillClock) -> Progress:
    """Of a worker that has been started twice in vain before."""
    return account(PreviousRun(restarts=2, fruitless=1))
