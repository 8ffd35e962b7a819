"""The cause that `start --wait` names of a watcher that is not up in that time."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.status_reports import survey_of, written
from watcher.config import Deployment
from watcher.fleet.arrival import StartResult, arrivals
from watcher.fleet.control import Fleet
from watcher.fleet.status import row
from watcher.fleet.supervisord import Process
from watcher.pids import birth_of
from watcher.status.report import StatusReport

PRESENT = 4711
NOW = datetime.now(UTC)
BEFORE = {"pid": os.getpid(), "birth": birth_of(os.getpid())}


def report(**changes: object) -> StatusReport:
    return written(lastError=None, startedAt=NOW, updatedAt=NOW, pid=PRESENT, **changes)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (report(state="opening", kafkaConnected=False), "not streaming yet: Kafka has not answered yet"),
        (report(state="opening"), "not streaming yet: MongoDB's change stream is not open yet"),
        (report(state="backing_off", fruitless=5), "not streaming yet: backing off, since its last 5 starts delivered nothing"),
        (None, "not streaming yet: opening"),
        (written(**BEFORE), "not streaming yet: it waits for the worker before it to end, process PID"),
    ],
)
def test_the_cause_is_named(found: StatusReport | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process("dashboard", "RUNNING", pid=PRESENT, started_at=int(NOW.timestamp()), birth="")
    monkeypatch.setattr("watcher.fleet.arrival.survey", lambda *_: survey_of(row("dashboard", process, found, now=NOW)))
    (arrival,) = arrivals(Fleet(Deployment.locate(tmp_path)), ["dashboard"], 0, lambda _: None)
    assert (arrival.result, arrival.message) == (StartResult.TIMED_OUT, message.replace("PID", str(os.getpid())))
    assert arrival.hint
