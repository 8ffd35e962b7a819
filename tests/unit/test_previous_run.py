"""What the status file of the worker before says to the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watcher.model import Delivered
from watcher.worker.previous_run import LONGEST_WAIT_SECONDS, Past
from watcher.worker.reporting.status_file import StatusFile

SHORT_LIFE = {"startedAt": "2024-01-01T12:00:00.000Z", "updatedAt": "2024-01-01T12:00:02.000Z"}
LONG_LIFE = {"startedAt": "2024-01-01T12:00:00.000Z", "updatedAt": "2024-01-01T12:05:00.000Z"}


def failed(exit_code: int, **more: Any) -> dict[str, Any]:
    return {"state": "failed", "lastError": {"exitCode": exit_code}, **SHORT_LIFE, **more}


@pytest.mark.parametrize(
    ("previous", "past"),
    [
        pytest.param({}, Past(0, 0), id="first start"),
        pytest.param({"state": "stopped", "restarts": 5, "fruitless": 5}, Past(0, 0), id="stopped on purpose"),
        pytest.param({"state": "stopping", "restarts": 5, **SHORT_LIFE}, Past(0, 0), id="stopped, but not in time"),
        pytest.param(failed(77, restarts=2, fruitless=2), Past(0, 0), id="down for a reason that a person has mended"),
        pytest.param(failed(1, restarts=2, fruitless=2, bugs=1), Past(3, 3, bugs=2), id="bug"),
        pytest.param({"state": "streaming", **SHORT_LIFE}, Past(1, 1), id="killed before it delivered anything"),
        pytest.param(
            {"state": "streaming", "messagesCommitted": 7, "restarts": 3, "bugs": 2, "fruitless": 2, **SHORT_LIFE},
            Past(4, 0, bugs=2),
            id="killed",
        ),
        pytest.param({"state": "waiting", "restarts": 3, "fruitless": 2, **LONG_LIFE}, Past(4, 0), id="lived long"),
        pytest.param({"state": "opening"}, Past(1, 1), id="no times"),
        pytest.param({"state": "opening", "startedAt": "noon", "updatedAt": "noon"}, Past(1, 1), id="garbled times"),
    ],
)
def test_reading_the_status_file_before(previous: dict[str, Any], past: Past) -> None:
    assert Past.read(previous and {"clientId": "a", **previous}, "a") == past


def test_what_was_delivered_is_remembered_also_after_an_orderly_stop() -> None:
    previous = {"clientId": "a", "state": "stopped", "sequence": 7, "lastCommitAt": "2024-01-01T12:00:00.000Z"}
    past = Past.read(previous, "a")
    assert (past.sequence, past.last_commit_at, past.has_delivered) == (7, "2024-01-01T12:00:00.000Z", True)
    assert not Past().has_delivered


@pytest.mark.parametrize(("last_gap_at", "known"), [("2024-01-01T12:00:00.000Z", True), ("yesterday", False), (7, False)])
def test_only_a_time_is_handed_on_as_the_last_gap(last_gap_at: Any, known: bool) -> None:
    assert Past(sequence=7, last_gap_at=last_gap_at).delivered == Delivered(True, 7, last_gap_at if known else None)


@pytest.mark.parametrize(
    ("last_commit_at", "seconds"), [("2024-01-01T12:00:00.500Z", 1_704_110_400.5), (None, None), ("noon", None), (7, None)]
)
def test_when_the_last_commit_was(last_commit_at: Any, seconds: float | None) -> None:
    assert Past(last_commit_at=last_commit_at).last_commit_seconds == seconds


@pytest.mark.parametrize("state", ["stopped", "stopping", "streaming", "failed"])
def test_a_gap_is_remembered_however_the_worker_ended(state: str) -> None:
    """A worker that is started anew must not go over a second gap within the hour."""
    previous = {"clientId": "a", "state": state, "lastGapAt": "2024-01-01T12:00:00.000Z"}
    assert Past.read(previous, "a").last_gap_at == "2024-01-01T12:00:00.000Z"
    assert Past.read(previous, "b").last_gap_at is None


def test_another_client_id_is_another_watcher() -> None:
    assert Past.read({"clientId": "a", "state": "streaming", "sequence": 7}, "b") == Past()


@pytest.mark.parametrize(("fruitless", "seconds"), [(0, 0), (3, 0), (4, 2), (5, 4), (8, 32), (9, 60), (1000, LONGEST_WAIT_SECONDS)])
def test_only_starts_that_achieve_nothing_are_held_back(fruitless: int, seconds: int) -> None:
    assert Past(restarts=1000, fruitless=fruitless).wait_seconds == seconds


@pytest.mark.parametrize("content", [b"", b"garbage", b"[1]", b"null", b"\xff"])
def test_a_status_file_that_is_none_is_as_good_as_missing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    path.write_bytes(content)
    assert Past.read(StatusFile(path).previous(), "a") == Past()
