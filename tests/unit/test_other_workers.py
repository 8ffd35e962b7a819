"""Other workers that have a standby's watcher, or take it without a lease."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

import pytest

from tests.support.worker_account import batch, position
from watcher.model import Active, Owner
from watcher.status.report import WorkerState
from watcher.worker.reporting.other_workers import FOREIGNER_SECONDS
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import status_report

pytest_plugins = ["tests.support.worker_account_fixtures"]


def test_a_standby_tells_who_is_active_and_no_numbers_of_its_own(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    progress.opened(position(100, sequence=7))
    progress.streaming()
    progress.received(batch(server=130, events=3, oldest=10))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            progress.standing_by(WorkerState.STANDBY, Active(Owner("5a11", "host-2", 1), "2024-01-01T12:03:00.000Z"), 9)
    told = status_report(progress)
    assert (told.state, told.active_host, told.sequence, told.buffer_size) == (WorkerState.STANDBY, "host-2", 9, 0)
    assert (told.lag_seconds, told.headroom_seconds, told.mongo_connected, told.kafka_connected) == (None, None, False, True)
    assert [record.message for record in caplog.records] == ["standby: active on host-2"]
    assert (told.active_since, told.foreigner) == (datetime(2024, 1, 1, 12, 3, tzinfo=UTC), None)
    progress.streaming()
    assert (status_report(progress).active_host, status_report(progress).active_since) == (None, None)


def test_settings_that_differ_are_told_once(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    differences = ("host-2 has batch_size = 500, this host 1000",)
    active = Active(Owner("5a11", "host-2", 1), "2024-01-01T12:03:00.000Z", differences)
    for _ in range(2):
        progress.standing_by(WorkerState.STANDBY, active, 9)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["not the same settings on all hosts: host-2 has batch_size = 500, this host 1000"]
    assert status_report(progress).settings_differ == differences
    progress.streaming()
    assert status_report(progress).settings_differ == ()


def test_a_worker_without_a_lease_is_named_for_a_minute(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress.standing_by(WorkerState.STANDBY, Active(Owner("f0", "host-3", 7)), 9)
    assert status_report(progress).foreigner == "process 7 on host-3"
    now[0] += FOREIGNER_SECONDS
    assert status_report(progress).foreigner is None
    progress.interrupted("Another worker has taken over", "process 7 on host-3")
    progress.interrupted("a command is at work")
    assert status_report(progress).foreigner == "process 7 on host-3"


def test_as_long_as_it_is_not_known_who_has_the_lease_it_is_opening(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        progress.standing_by(WorkerState.OPENING, Active(Owner("5a11", "host-2", 1)), 9)
    assert (status_report(progress).state, caplog.records) == (WorkerState.OPENING, [])
