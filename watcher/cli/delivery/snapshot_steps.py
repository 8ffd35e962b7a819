"""The work of `watcherctl snapshot` on one watcher, beside its worker."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from watcher.cli.delivery.beside_worker import beside_own_worker, check_goes_on, delivered_before, librdkafka_silent
from watcher.cli.phases import Progress
from watcher.config import Deployment, Settings
from watcher.errors import Outage, WatcherError

if TYPE_CHECKING:
    from watcher.model import Delivered, Snapshot
    from watcher.position.look import Look

Action = Literal["pause", "resume", "stop"]
T = TypeVar("T")
Step = Callable[["Look", "Delivered"], T]
"""Does something to a watcher that was looked at."""

POLL_SECONDS, MOST_POLL_SECONDS = 0.5, 5.0
"""Interval of looks at a snapshot that is waited for, and to what it grows."""

ELSEWHERE = "no worker of it runs on this host; one elsewhere notices within 12 s, a stopped one when it starts"

ALREADY: dict[str, str] = {"pause": "paused", "resume": "running"}
"""State in which there is nothing to do, by the name of the command."""


def look_at(deployment: Deployment, settings: Settings) -> tuple[Look, Delivered]:
    """Look at what Kafka holds of a watcher, given what is known here of earlier messages."""
    from watcher.position.look import look

    delivered = delivered_before(deployment, settings)
    return look(settings, delivered), delivered


def begin(
    deployment: Deployment, settings: Settings, collections: Sequence[str], query: str, operation: Literal["insert", "replace"]
) -> Snapshot:
    """Begin a snapshot. All questions to MongoDB come before the watcher is taken over."""
    from watcher.position.snapshot_change import check_can_start, start
    from watcher.snapshot.request import check_request, requested

    wanted = requested(settings, collections, query, operation)

    def step(seen: Look, delivered: Delivered) -> Snapshot:
        check_can_start(settings, seen.snapshot, has_begun=seen.token is not None)
        check_request(settings, collections, query)
        return start(settings, delivered, wanted)

    return _change(deployment, settings, step)


def alter_present(deployment: Deployment, settings: Settings, action: Action) -> str:
    """Pause, resume or stop the snapshot under way; returns what has become of it, for people."""
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


def _change(deployment: Deployment, settings: Settings, step: Step[T]) -> T:
    """Take a step beside the worker of this host. If there is none, none can start meanwhile."""
    from watcher.worker.process import nudge

    with librdkafka_silent(), beside_own_worker(deployment, settings) as worker:
        seen, delivered = look_at(deployment, settings)
        if seen.fault:
            raise WatcherError(seen.fault, hint=seen.hint)
        if worker:
            check_goes_on(settings, seen, "snapshot")
        done = step(seen, delivered)
        if worker:
            nudge(worker)
        else:
            click.echo(f"{settings.name}: {ELSEWHERE}", err=True)
    return done


def ended(deployment: Deployment, settings: Settings, snapshot_id: str, progress: Progress) -> Snapshot:
    """Wait until the watcher's snapshot has ended, and return it as it ended."""
    from watcher.cli.delivery.snapshot_view import progress_in_words

    interval = POLL_SECONDS
    while True:
        try:
            last = look_at(deployment, settings)[0].saved.newest_snapshot
        except Outage as error:
            progress(f"{settings.name}  {error}", 0, 0)
        else:
            if last is None or last.id != snapshot_id:
                raise WatcherError(f"{snapshot_id} has ended, and another one has taken its place.")
            if last.is_over:
                return last
            progress(f"{settings.name}  {last.state}  {progress_in_words(last)}", 0, 0)
        time.sleep(interval)
        interval = min(interval * 1.5, MOST_POLL_SECONDS)
