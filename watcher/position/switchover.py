"""Gives a watcher to another host: takes it over as any command does, and its worker, told so, leaves the lease to another one."""

from __future__ import annotations

import time

from confluent_kafka.admin import AdminClient

from watcher.config import Settings
from watcher.errors import WatcherError
from watcher.kafka.errors import translated
from watcher.kafka.lease_rules import SWITCHOVER
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.properties import admin_config, lease_group
from watcher.model import Delivered, Owner
from watcher.position.takeover import CommandChange, Taken, run_command

REQUEST_SECONDS = 10.0
LOOK_SECONDS = 0.2


class SwitchoverRefused(WatcherError):
    """There is no other host to which the watcher could go."""


def switch_over(settings: Settings, delivered: Delivered) -> Owner:
    """Tell the active worker to leave the watcher to another one; returns whose it was.

    Errors: SwitchoverRefused; as `run_command`; NotPermitted without the right to describe the group.
    """
    if not settings.high_availability:
        raise SwitchoverRefused(f"{settings.name} has no lease.", hint="It needs high_availability = true, and a second host.")
    before = _owner(settings)
    if before is None or members(settings) < 2:
        raise SwitchoverRefused(
            f"No other host stands by for {settings.name}.", hint="Start it there: watcherctl start, and watcherctl status."
        )
    run_command(settings, delivered, SWITCHOVER, _unchanged)
    return before


def successor(settings: Settings, before: Owner, seconds: float) -> Owner | None:
    """Wait until the watcher is another worker's than `before`, and return that one; None if it is not within so many seconds.

    Errors: as `PositionReader.read_so_far`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stamp = PositionReader(settings, lambda _: None).read_so_far().stamp
        if stamp and stamp.command is None and stamp.owner != before:
            return stamp.owner
        time.sleep(LOOK_SECONDS)
    return None


def members(settings: Settings) -> int:
    """Count the workers that have the lease or stand by. Errors: Outage, NotPermitted."""
    group = lease_group(settings)
    admin = AdminClient(admin_config(settings, lambda _: None))
    with translated(f"asking who is in the group {group}"):
        return len(admin.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)[group].result().members)


def _owner(settings: Settings) -> Owner | None:
    return PositionReader(settings, lambda _: None).read_so_far().owner


def _unchanged(taken: Taken) -> CommandChange:
    """Write the same position. The name of the command is what the worker looks for."""
    if taken.position.token is None:
        raise SwitchoverRefused("The watcher has no position yet, so there is nothing to hand over.")
    return CommandChange(taken.entry(taken.position.token), taken.position)
