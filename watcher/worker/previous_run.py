"""Knowledge that a new worker takes from the status file of the previous one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watcher.errors import ExitCode
from watcher.model import Delivered

HEALTHY_SECONDS = 60
"""Lifetime from which a worker did not fail at once, whatever it died of."""

FREE_CRASHES = 3
LONGEST_WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class LastHeadroom:
    """Headroom that the previous worker wrote down, at `written` (seconds since 1970): the time by which its position could become
    older; see reporting/lag.py."""

    seconds: float
    oplog_full: bool | None
    written: float

    @classmethod
    def read(cls, previous: Mapping[str, Any]) -> LastHeadroom | None:
        """Read it from a status file; None if the worker did not know it."""
        seconds, written = previous.get("headroomSeconds"), _seconds(previous.get("updatedAt"))
        return None if seconds is None or written is None else cls(seconds, previous.get("oplogFull"), written)

    def at(self, now: float) -> int | None:
        """Return the headroom at `now`, as far as it can be extrapolated; None if nothing is known any more."""
        left = int(self.seconds - max(now - self.written, 0.0))
        return None if left <= 0 and self.oplog_full is False else left


@dataclass(frozen=True, slots=True)
class Past:
    """History of a watcher's earlier processes.

    `restarts` counts the crashes since somebody last started the watcher: `bugs` of them by a bug, the others by a signal.
    `fruitless` counts the latest of them in a row that delivered nothing. `sequence` and `last_commit_at` (ISO 8601) are those of
    the last commit: if either is set, there must be a position in Kafka. `last_gap_at` (ISO 8601) is the last time that changes
    were missed.
    """

    restarts: int = 0
    fruitless: int = 0
    sequence: int = 0
    last_commit_at: str | None = None
    last_gap_at: str | None = None
    bugs: int = 0
    headroom: LastHeadroom | None = None

    @classmethod
    def read(cls, previous: Mapping[str, Any], client_id: str) -> Past:
        """Read it from the content of the previous worker's status file; empty if the file is not of this client id."""
        if previous.get("clientId") != client_id:
            return cls()
        crashed = _crashed(previous)
        return cls(
            restarts=previous.get("restarts", 0) + 1 if crashed else 0,
            fruitless=previous.get("fruitless", 0) + 1 if crashed and _achieved_nothing(previous) else 0,
            sequence=previous.get("sequence", 0),
            last_commit_at=previous.get("lastCommitAt"),
            last_gap_at=previous.get("lastGapAt"),
            bugs=previous.get("bugs", 0) + _ended_by_a_bug(previous) if crashed else 0,
            headroom=LastHeadroom.read(previous),
        )

    @property
    def has_delivered(self) -> bool:
        """Return True if a position has been committed before."""
        return self.sequence > 0 or self.last_commit_at is not None

    @property
    def delivered(self) -> Delivered:
        """Knowledge of this host about earlier messages."""
        known = _seconds(self.last_gap_at) is not None
        return Delivered(self.has_delivered, self.sequence, self.last_gap_at if known else None)

    @property
    def last_commit_seconds(self) -> float | None:
        """Time of the last commit, in seconds since 1970; None if there is none, or if it is not a time."""
        return _seconds(self.last_commit_at)

    @property
    def wait_seconds(self) -> int:
        """Seconds to wait before starting work. supervisord itself would restart a crashing worker every second, for ever."""
        excess = self.fruitless - FREE_CRASHES
        return min(2**excess, LONGEST_WAIT_SECONDS) if excess > 0 else 0


def _crashed(previous: Mapping[str, Any]) -> bool:
    """Return True if the worker ended by a bug, or was killed while it was not stopping. After these ends supervisord starts a
    worker again."""
    if previous.get("state") == "failed":
        return _ended_by_a_bug(previous)
    return previous.get("state") not in ("stopping", "stopped")


def _ended_by_a_bug(previous: Mapping[str, Any]) -> bool:
    return previous.get("state") == "failed" and (previous.get("lastError") or {}).get("exitCode") == ExitCode.BUG


def _achieved_nothing(previous: Mapping[str, Any]) -> bool:
    lived = _seconds_between(previous.get("startedAt"), previous.get("updatedAt"))
    return not previous.get("messagesCommitted") and lived < HEALTHY_SECONDS


def _seconds(moment: Any) -> float | None:
    """Turn an ISO 8601 time into seconds since 1970; None if it is not a time."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (TypeError, ValueError):
        return None


def _seconds_between(start: Any, end: Any) -> float:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (TypeError, ValueError):
        return 0.0
