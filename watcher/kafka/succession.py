"""Rules of who may write next, for a fenced worker and a command of watcherctl, by the name in the newest record. Pure.

A command takes a watcher over under its transactional id, which fences the worker, writes a claim, makes its change, and goes. The
worker opens again and goes on. A command that dies leaves a claim without a change, so a claim is left alone for a limited time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from watcher.kafka.position import Command, Stamp
from watcher.model import Owner


class NextStep(Enum):
    """The next step of a worker that has been fenced."""

    OPEN = auto()
    WAIT = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Patience:
    """Waiting for the newest record to be followed by another one, until `ends` (seconds, by the waiter's own monotonic clock)."""

    newest: Stamp | None = None
    ends: float = 0.0

    def with_newest(self, newest: Stamp, now: float) -> Patience:
        """Return the patience with this record. One that was not seen before begins a wait of its own: a host's clock says nothing
        about another's, so time counts from when the waiter saw it."""
        return self if newest == self.newest else Patience(newest, now + newest.wait_seconds)

    def step(self, now: float) -> NextStep:
        """Return WAIT until the time is over, then OPEN."""
        return NextStep.WAIT if now < self.ends else NextStep.OPEN


def as_fenced_worker(newest: Stamp, ours: Owner, patience: Patience, now: float) -> tuple[NextStep, Patience]:
    """Return what a worker does that was the owner before, and its patience from now on.

    Only another worker ends it. A command that has written a position is done, and one that has only claimed is not yet.
    """
    if newest.owner.instance == ours.instance:
        return NextStep.OPEN, patience
    if newest.command is None:
        return NextStep.END, patience
    patience = patience.with_newest(newest, now)
    return patience.step(now), patience


def as_command(newest: Stamp, ours: Command, patience: Patience, now: float) -> tuple[NextStep, Patience]:
    """Return what a command does before it takes a watcher over, and its patience from now on. It waits for another command."""
    if newest.command is None or newest.command.id == ours.id:
        return NextStep.OPEN, patience
    patience = patience.with_newest(newest, now)
    return patience.step(now), patience
