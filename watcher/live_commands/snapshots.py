"""The commands about one watcher's snapshot: start, pause, resume, stop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from watcher.config import Deployment, Settings
from watcher.errors import WatcherError
from watcher.live_commands.beside_worker import beside_own_worker, check_goes_on, delivered_before, librdkafka_silent

if TYPE_CHECKING:
    from watcher.model import Delivered, Snapshot
    from watcher.position.look import Look

Action = Literal["pause", "resume", "stop"]
Operation = Literal["insert", "replace"]
T = TypeVar("T")
Step = Callable[["Look", "Delivered"], T]
"""Does something to a watcher that was looked at."""

ELSEWHERE = "no worker of it runs on this host; one elsewhere notices within 12 s, a stopped one when it starts"
STARTING = "its worker is just starting, and does it when it has opened"

ALREADY: dict[str, str] = {"pause": "paused", "resume": "running"}
"""State in which there is nothing to do, by the name of the command."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A command's result, and a note for people; the note is empty if the worker of this host carries the command out."""

    result: T
    note: str


def look_at(deployment: Deployment, settings: Settings) -> tuple[Look, Delivered]:
    """Look at what Kafka holds of a watcher, given what is known here of earlier messages. Errors: Outage, NotPermitted."""
    from watcher.position.look import look

    delivered = delivered_before(deployment, settings)
    return look(settings, delivered), delivered


def begin(
    deployment: Deployment, settings: Settings, collections: Sequence[str] = (), query: str = "", operation: Operation = "replace"
) -> Done[Snapshot]:
    """Begin a snapshot. All questions to MongoDB come before the watcher is taken over. Errors: WatcherError."""
    from watcher.position.snapshot_change import check_can_start, start
    from watcher.snapshot.request import check_request, requested

    wanted = requested(settings, collections, query, operation)

    def step(seen: Look, delivered: Delivered) -> Snapshot:
        check_can_start(settings, seen.snapshot, has_begun=seen.token is not None)
        check_request(settings, collections, query)
        return start(settings, delivered, wanted)

    return _change(deployment, settings, step)


def alter_present(deployment: Deployment, settings: Settings, action: Action) -> Done[str]:
    """Pause, resume or stop the snapshot under way; the result says what has become of it, for people. Errors: WatcherError."""
    return _change(deployment, settings, functools.partial(_alter, settings, action))


def _alter(settings: Settings, action: Action, seen: Look, delivered: Delivered) -> str:
    from watcher.position.snapshot_change import PAST, SnapshotRefused, alter

    present = seen.snapshot
    if present is None:
        raise SnapshotRefused("no snapshot is under way")
    if present.state == ALREADY.get(action):
        return f"already {present.state}  {present.id}"
    alter(settings, delivered, present.id, action)
    return f"{PAST[action]}  {present.id}"


def _change(deployment: Deployment, settings: Settings, step: Step[T]) -> Done[T]:
    """Take a step beside the worker of this host. If there is none, none can start meanwhile."""
    from watcher.worker.process import nudge

    with librdkafka_silent(), beside_own_worker(deployment, settings) as worker:
        seen, delivered = look_at(deployment, settings)
        if seen.fault:
            raise WatcherError(seen.fault, hint=seen.hint)
        if worker:
            check_goes_on(settings, seen, "snapshot")
        result = step(seen, delivered)
        if worker:
            nudge(worker)
    if worker:
        return Done(result, "")
    return Done(result, STARTING if _is_starting(deployment, settings.name) else ELSEWHERE)


def _is_starting(deployment: Deployment, name: str) -> bool:
    """Return True if supervisord has started its worker, though that does not hold the lock file yet: it waits for it now."""
    from watcher.fleet.errors import FleetError
    from watcher.fleet.supervisord import Supervisord

    try:
        process = Supervisord(deployment.supervisord_socket).processes().get(name)
    except FleetError:
        return False
    return process is not None and process.state in {"STARTING", "RUNNING"}
