"""Lessons for a new worker from the status file of the one before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.status_reports import report_of
from watcher.worker.previous_run import LONGEST_WAIT_SECONDS, PreviousRun

SHORT_LIFE = {"startedAt": "2024-01-01T12:00:00.000Z", "updatedAt": "2024-01-01T12:00:02.000Z"}
LONG_LIFE = {"startedAt": "2024-01-01T12:00:00.000Z", "updatedAt": "2024-01-01T12:05:00.000Z"}


def failed(exit_code: int, **more: Any) -> dict[str, Any]:
    error = {"at": SHORT_LIFE["updatedAt"], "message": "an error", "exitCode": exit_code}
    return {"state": "failed", "lastError": error, **more}


def run(previous: dict[str, Any], client_id: str = "a") -> PreviousRun:
    """Read such a status file of the client id a, as a new worker does."""
    return PreviousRun.of(report_of({"clientId": "a", "pid": 7, "state": "streaming", **SHORT_LIFE, **previous}), client_id)


@pytest.mark.parametrize(
    ("previous", "expected"),
    [
        pytest.param({"state": "stopped", "restarts": 5, "fruitless": 5}, PreviousRun(0, 0), id="stopped on purpose"),
        pytest.param({"state": "stopping", "restarts": 5}, PreviousRun(0, 0), id="stopped, but not in time"),
        pytest.param(failed(77, restarts=2, fruitless=2), PreviousRun(0, 0), id="down for a reason that a person has mended"),
        pytest.param(failed(1, restarts=2, fruitless=2, bugs=1), PreviousRun(3, 3, bugs=2), id="bug"),
        pytest.param({"state": "streaming"}, PreviousRun(1, 1), id="killed before it delivered anything"),
        pytest.param(
            {"state": "streaming", "messagesCommitted": 7, "restarts": 3, "bugs": 2, "fruitless": 2},
            PreviousRun(4, 0, bugs=2),
            id="killed",
        ),
        pytest.param({"state": "waiting", "restarts": 3, "fruitless": 2, **LONG_LIFE}, PreviousRun(4, 0), id="lived long"),
        pytest.param({"state": "opening"}, PreviousRun(1, 1), id="killed while opening"),
    ],
)
def test_crashes_are_counted(previous: dict[str, Any], expected: PreviousRun) -> None:
    assert replace(run(previous), report=None) == expected


def test_a_first_start_knows_nothing() -> None:
    assert PreviousRun.of(None, "a") == PreviousRun()


def test_what_was_delivered_is_remembered_also_after_an_orderly_stop() -> None:
    previous = run({"state": "stopped", "sequence": 7, "lastCommitAt": "2024-01-01T12:00:00.000Z"})
    assert (previous.sequence, previous.last_commit_at, previous.has_delivered) == (7, datetime(2024, 1, 1, 12, tzinfo=UTC), True)
    assert not PreviousRun().has_delivered


@pytest.mark.parametrize("state", ["stopped", "stopping", "streaming", "failed"])
def test_a_gap_is_remembered_however_the_worker_ended(state: str) -> None:
    """A worker that is started anew must not go over a second gap within the hour."""
    previous = {"state": state, "lastGapAt": "2024-01-01T12:00:00.000Z"}
    assert run(previous).last_gap_at == "2024-01-01T12:00:00.000Z"
    assert run(previous, "b").last_gap_at is None


def test_another_client_id_is_another_watcher() -> None:
    assert run({"sequence": 7}, "b") == PreviousRun()


@pytest.mark.parametrize(("fruitless", "seconds"), [(0, 0), (3, 0), (4, 2), (5, 4), (8, 32), (9, 60), (1000, LONGEST_WAIT_SECONDS)])
def test_only_starts_that_achieve_nothing_are_held_back(fruitless: int, seconds: int) -> None:
    assert PreviousRun(restarts=1000, fruitless=fruitless).wait_seconds == seconds
