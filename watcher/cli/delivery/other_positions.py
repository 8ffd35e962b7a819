"""Positions of other watchers, for a watcher that goes on where they are: `position set NAME --from OTHER`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from watcher.cli.delivery.position_choice import Choose, ResumePoint, time_of
from watcher.cli.options import select
from watcher.config import Deployment, Settings, load_one
from watcher.config.files.conf_dir import watcher_names
from watcher.config.overlaps import hosts
from watcher.errors import WatcherError
from watcher.live_commands.beside_worker import beside_own_worker, delivered_before, librdkafka_silent

if TYPE_CHECKING:
    from watcher.model import ResumeToken
    from watcher.mongodb.timeline import Timeline
    from watcher.position.look import Look


class OtherPosition(NamedTuple):
    """The position of another watcher; whether its worker runs on this host, and whether it is taking a snapshot."""

    settings: Settings
    token: ResumeToken
    runs: bool = False
    copies: bool = False

    @property
    def name(self) -> str:
        """The watcher's name."""
        return self.settings.name


def read_positions(deployment: Deployment, name: str, patterns: Sequence[str]) -> list[OtherPosition]:
    """Read the positions of the watchers that match `patterns`, without `name` itself; the one furthest behind comes first.

    Errors: UnknownName; WatcherError if one of them has no position to go on from.
    """
    names = [other for other in select(patterns, watcher_names(deployment.conf_dir)) if other != name]
    if not names:
        raise click.UsageError("--from means no other watcher")
    with librdkafka_silent():
        found = [_position_of(deployment, load_one(deployment.conf_dir, other)) for other in names]
    return sorted(found, key=lambda other: str(other.token["_data"]))


def _position_of(deployment: Deployment, settings: Settings) -> OtherPosition:
    from watcher.position.look import look

    with beside_own_worker(deployment, settings) as worker:
        seen = look(settings, delivered_before(deployment, settings))
    if seen.fault or seen.token is None:
        raise WatcherError(
            f"{settings.name} has no position to go on from. {seen.fault}".rstrip(), hint=seen.hint or f"leave {settings.name} out"
        )
    return OtherPosition(settings, seen.token, bool(worker), seen.snapshot is not None and not seen.snapshot.is_over)


def remarks(settings: Settings, others: Sequence[OtherPosition]) -> Iterator[str]:
    """Yield what somebody should know before `settings` goes on where the first of the others is."""
    first, last = others[0], others[-1]
    if time_of(first.token) != time_of(last.token):
        yield f"{first.name} is at {time_of(first.token)} and {last.name} at {time_of(last.token)}: changes in between come twice"
    for other in others:
        if other.runs:
            yield f"{other.name} runs: what it delivers from now on comes twice (watcherctl stop {other.name})"
        if other.copies:
            yield f"{other.name} has not finished its snapshot, which does not move: begin another one (watcherctl snapshot start)"
        if hosts(other.settings).isdisjoint(hosts(settings)):
            yield f"{other.name} names other hosts in mongodb_uri; its position means nothing in another MongoDB"


def beside(settings: Settings, others: Sequence[OtherPosition]) -> Choose:
    """Choose the position of the first of the others. A token of the same stream holds as it is; of another stream only its time
    does, and then the changes of that very moment come too."""
    first = others[0]
    what = f"where {first.name} is" + (f", the furthest behind of {len(others)} watchers" if len(others) > 1 else "")

    def choose(_seen: Look, timeline: Timeline) -> ResumePoint:
        same = first.settings.database == settings.database
        return (timeline.after(first.token) if same else timeline.beside(first.token)), what

    return choose
