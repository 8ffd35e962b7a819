"""A worker's account of itself, and what its pipeline reports to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.plain_settings import settings
from watcher.model import Batch, Message, Owner, Position, ResumeToken
from watcher.oplog import Oplog
from watcher.status.report import StatusReport
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import status_report

OWNER = Owner("9f3c", "host-1", 4711)


def nothing() -> None:
    """Do nothing."""


def account(
    previous: PreviousRun | None = None, on_change: Callable[[], None] = nothing, on_delivery: Callable[[], None] = nothing
) -> Progress:
    """The account of a worker that has just been started."""
    return Progress(settings(), OWNER, previous or PreviousRun(), on_change, on_delivery)


def account_after(report: StatusReport) -> Progress:
    """The account of a worker whose predecessor's last report is given."""
    return account(PreviousRun.of(report, "dashboard-watcher"))


def token(seconds: int) -> ResumeToken:
    return {"_data": f"82{seconds:08X}00000001"}


def position(seconds: int, sequence: int = 0) -> Position:
    return Position("dashboard", OWNER, token(seconds), sequence)


def messages(*operations: str, at_ms: int = 0) -> list[Message]:
    return [Message("topic", None, b"{}", at_ms, operation) for operation in operations]


def batch(server: int, events: int = 0, *, at: int | None = None, oldest: int | None = None) -> Batch:
    return Batch([b""] * events, token(server if at is None else at), server, oplog=None if oldest is None else Oplog(oldest))


def deliver(progress: Progress, delivered: list[Message], position: Position, *, seconds: float = 0.1) -> None:
    """Report the messages of one transaction, which ends at `position`."""
    progress.encoded(len(delivered), sum(len(message.value or b"") for message in delivered))
    progress.committed(delivered, position, seconds)


def shown(progress: Progress) -> dict[str, Any]:
    """The status file's values."""
    return status_report(progress).as_json()
