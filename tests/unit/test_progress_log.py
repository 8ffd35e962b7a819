"""Lines of a worker's log about its progress."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually
from tests.support.worker_account import batch, deliver, messages, position, token
from watcher.model import Batch, Message
from watcher.worker.reporting import status_file
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_file import log_status

pytest_plugins = ["tests.support.worker_account_fixtures"]


def debug_lines(progress: Progress, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what a batch of two events and its commit say at level debug."""
    caplog.set_level(logging.DEBUG, "watcher")
    secret = Message("database.insert", b"1", b'{"password": "tiger"}', 0, "insert")
    progress.received(Batch([b"tiger"] * 2, token(100), 100, size=10))
    deliver(progress, [secret, secret], position(100, 7), seconds=0.0123)
    known = vars(logging.makeLogRecord({})).keys() | {"message"}
    return [
        {"event": record.getMessage()} | {key: vars(record)[key] for key in vars(record).keys() - known}
        for record in caplog.records
    ]


def test_at_level_debug_each_batch_and_each_commit_is_told(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    assert debug_lines(progress, caplog) == [
        {"event": "batch", "events": 2, "bytes": 10},
        {"event": "committed", "messages": 2, "bytes": 42, "ms": 12.3, "sequence": 7},
    ]


def test_documents_are_told_when_asked_for(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    progress.settings = replace(progress.settings, log_documents=True)
    told = debug_lines(progress, caplog)
    assert told[2:] == [{"event": "message", "topic": "database.insert", "value": '{"password": "tiger"}'}] * 2


def test_above_level_debug_nothing_of_that_is_told(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watcher")
    progress.received(batch(100, events=2))
    deliver(progress, messages("insert"), position(100))
    assert caplog.records == []


def test_the_guides_status_line(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watcher")
    progress.opened(position(90))
    progress.streaming()
    progress.received(batch(100, events=3))
    log_status(progress)
    line = vars(caplog.records[-1])
    assert (line["levelname"], line["msg"]) == ("INFO", "status")
    guides = {key: line[key] for key in ("isRunning", "mongoConnected", "kafkaConnected", "bufferSize", "database")}
    assert guides == {"isRunning": True, "mongoConnected": True, "kafkaConnected": True, "bufferSize": 3, "database": "dashboard"}
    assert {"lagSeconds", "headroomSeconds", "eventsPerSecond"} <= line.keys()


def test_the_status_line_comes_again_and_again(
    progress: Progress, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()  # the clock
    monkeypatch.setattr(status_file, "LOG_SECONDS", 0.05)
    monkeypatch.setattr(status_file, "WRITE_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "watcher")
    with status_file.StatusFile(tmp_path / "dashboard.json", tmp_path / "dashboard.prom").kept(progress):
        eventually(lambda: [record.getMessage() for record in caplog.records].count("status") >= 3)


def test_documents_in_avro_are_told_as_far_as_they_are_text(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "watcher")
    progress.settings = replace(progress.settings, log_documents=True)
    deliver(progress, [Message("topic", b"1", b"\0\0\0\0\1\xc8\x01tiger", 0, "insert")], position(100))
    assert "tiger" in vars(caplog.records[-1])["value"]


def test_each_takeover_is_told_once(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    """In a container each process has the same id, so that all of them are told of in the same words."""
    caplog.set_level(logging.INFO, "watcher")
    reason = "Another worker has taken over this watcher: process 1 on host-b."
    for _ in range(2):
        progress.interrupted(reason)
        progress.interrupted(reason)
        progress.opened(position(90))
        progress.streaming()
    assert [record.getMessage() for record in caplog.records].count(reason) == 2
