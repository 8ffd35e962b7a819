"""When a worker writes its status file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tests.support.worker_account import account, deliver, messages, position
from watcher.status.report import StatusReport, WorkerState
from watcher.worker.reporting import status_file
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_file import StatusFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dashboard.json"


@pytest.fixture
def progress(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Progress]:
    """The account of a worker whose file is written on news alone. It has been written once."""
    monkeypatch.setattr(status_file, "WRITE_SECONDS", 3600.0)
    file = StatusFile(path, path.with_suffix(".prom"))
    progress = account(on_change=file.changed, on_delivery=file.delivered)
    with file.kept(progress):
        eventually(path.exists)
        yield progress


def report(path: Path) -> StatusReport:
    return StatusReport.parse(path.read_bytes())


def is_at(sequence: int, path: Path) -> bool:
    return report(path).sequence == sequence


def test_a_change_of_state_is_written(progress: Progress, path: Path) -> None:
    progress.enter(WorkerState.WAITING)
    eventually(lambda: report(path).state == WorkerState.WAITING)


def test_each_delivery_is_written(progress: Progress, path: Path) -> None:
    """Also the ones after the first, which is written as a change."""
    for sequence in (1, 2, 3):
        deliver(progress, messages("insert"), position(100, sequence))
        eventually(partial(is_at, sequence, path))


def test_a_position_without_messages_is_no_news(progress: Progress, path: Path) -> None:
    written = path.read_bytes()
    deliver(progress, [], position(100, 7))
    with pytest.raises(AssertionError):
        eventually(lambda: path.read_bytes() != written, 3 * status_file.LIVE_SECONDS)
