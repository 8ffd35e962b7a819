"""Begins, pauses, resumes and stops a watcher's snapshot. Each is one transaction that `takeover.py` writes.

`snapshot/request.py` has asked MongoDB before what can be copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from watcher.config import Settings
from watcher.errors import WatcherError
from watcher.kafka.position import SNAPSHOT_KEY, dump_snapshot
from watcher.model import Delivered, Notice, Snapshot
from watcher.position.change import control_messages
from watcher.position.history import PositionChange
from watcher.position.takeover import CommandChange, Taken, run_command
from watcher.snapshot import plan

PAST: dict[str, str] = {"pause": "paused", "resume": "resumed", "stop": "stopped"}
"""The participle that tells what was done to a snapshot, by the name of the command."""


class SnapshotRefused(WatcherError):
    """The snapshot under way, or the lack of one, does not allow this."""


def start(settings: Settings, delivered: Delivered, snapshot: Snapshot) -> Snapshot:
    """Begin a snapshot, which `plan.begun` has made; returns it as it begins. Errors: SnapshotRefused; as `run_command`."""

    def make(taken: Taken) -> CommandChange:
        nonlocal snapshot
        check_can_start(settings, taken.position.snapshot, has_begun=taken.position.token is not None)
        snapshot, notice = plan.announced(snapshot, taken.position.sequence + 1)
        return _change(settings, taken, snapshot, [notice])

    run_command(settings, delivered, f"start of {snapshot.id}", make)
    return snapshot


def alter(settings: Settings, delivered: Delivered, snapshot_id: str, action: Literal["pause", "resume", "stop"]) -> PositionChange:
    """Pause, resume or stop the snapshot of this id. Errors: SnapshotRefused if it has ended meanwhile; as `run_command`."""

    def make(taken: Taken) -> CommandChange:
        snapshot = taken.position.snapshot
        if snapshot is None or snapshot.id != snapshot_id or taken.lost:
            raise SnapshotRefused(f"{snapshot_id} has ended meanwhile.", hint=f"watcherctl snapshot status {settings.name}")
        return _change(settings, taken, *_altered(snapshot, action, taken.by))

    return run_command(settings, delivered, f"{action} of {snapshot_id}", make)


def check_can_start(settings: Settings, snapshot: Snapshot | None, *, has_begun: bool) -> None:
    """Refuse a snapshot beside another one, or of a watcher that has no position yet. Errors: SnapshotRefused."""
    if not has_begun:
        raise SnapshotRefused(
            f"{settings.name} has no position yet, so a snapshot has no place in its stream.",
            hint='For its first start, snapshot_mode = "initial" copies what is there. Else start it first.',
        )
    if snapshot:
        raise SnapshotRefused(
            f"{snapshot.id} is under way in {settings.name}, {snapshot.state}, {snapshot.documents:,} documents so far; there is "
            "one at a time.",
            hint=f"Wait for it, or end it with: watcherctl snapshot stop {settings.name}",
        )


def _altered(snapshot: Snapshot, action: Literal["pause", "resume", "stop"], by: str) -> tuple[Snapshot, Sequence[Notice]]:
    if action == "stop":
        stopped, notice = plan.ended(snapshot, "stopped", f"stopped by {by}")
        return stopped, [notice]
    return replace(snapshot, state="paused" if action == "pause" else "running"), ()


def _change(settings: Settings, taken: Taken, snapshot: Snapshot, notices: Sequence[Notice]) -> CommandChange:
    """Make the change that leaves the watcher where it is, and its snapshot like this."""
    position = taken.position
    if position.token is None:
        raise RuntimeError("a snapshot without a position")
    return CommandChange(
        taken.entry(position.token),
        position.moved(position.token, len(notices), snapshot),
        control_messages(settings, notices, position.sequence),
        {SNAPSHOT_KEY: dump_snapshot(snapshot)},
    )
