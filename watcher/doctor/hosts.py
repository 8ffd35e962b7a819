"""Checks that the hosts that share a watcher agree with each other. The active one's worker tells its settings with its claim."""

from __future__ import annotations

from typing import NamedTuple

from watcher.config.hosts import differences, told_settings
from watcher.doctor.check import Check, Finding, not_checked, ok, warning
from watcher.doctor.clocks import judge_skew
from watcher.doctor.position import NO_POSITION, SAVED, SavedPosition
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.standby import ToldSettings, load_settings
from watcher.model import Owner

CLAIM_SECONDS = 1.0
"""Time that a claim may take to Kafka, which says nothing about the clocks."""


class _Active(NamedTuple):
    """The active worker, what it told with its claim, and when Kafka received that (seconds since 1970), if Kafka tells it."""

    owner: Owner
    told: ToldSettings
    received_at: float | None


def same_settings(position: SavedPosition) -> Finding:
    """Check that the active worker has the same settings as the watcher has here. Raises Outage."""
    active = _active(position)
    if isinstance(active, Finding):
        return active
    if position.is_ours(active.owner):
        return ok("our worker is active; a host that stands by compares its own")
    host = active.owner.host
    if found := differences(active.told.values, told_settings(position.settings), host):
        return warning("; ".join(found), "the same conf.d on all hosts, then `watcherctl apply` on each")
    return ok(f"the same as on {host}")


def active_clock(position: SavedPosition) -> Finding:
    """Check that the active host's clock agreed with Kafka's when its worker claimed the watcher. Raises Outage."""
    active = _active(position)
    if isinstance(active, Finding):
        return active
    if active.received_at is None:
        return not_checked("because Kafka does not stamp the records of the position")
    return judge_skew(active.told.at - active.received_at, active.owner.host, CLAIM_SECONDS, than="Kafka's")


def _active(position: SavedPosition) -> _Active | Finding:
    """Return the active worker, or why nothing is known of it."""
    if not position.settings.high_availability:
        return ok("no other host runs it: high_availability is off")
    owner = position.saved.owner
    if owner is None:
        return not_checked(NO_POSITION)
    text, received_at = PositionReader(position.settings, position.troubles.append).read_settings()
    told = load_settings(text, owner)
    return _Active(owner, told, received_at) if told else not_checked(f"because {owner} has not told its settings")


CHECKS: tuple[Check[SavedPosition], ...] = (
    Check("position.same-settings", same_settings, needs=(SAVED,)),
    Check("position.active-clock", active_clock, needs=(SAVED,)),
)
