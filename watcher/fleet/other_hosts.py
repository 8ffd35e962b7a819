"""Troubles between a watcher's hosts, as its worker here has seen them. None of them keeps it from working now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from watcher.fleet.status import Row, WatcherState


class HostTrouble(NamedTuple):
    """A trouble in a sentence, and what to do about it."""

    text: str
    hint: str


def host_troubles(row: Row) -> Iterator[HostTrouble]:
    """Yield what the worker tells: of a standby how the active host's settings differ, and of any a worker without a lease."""
    report = row.live
    if report and row.state is WatcherState.STANDBY and report.settings_differ:
        text = f"not the same settings on all hosts: {'; '.join(report.settings_differ)}"
        yield HostTrouble(text, "Use the same conf.d on all hosts, then watcherctl apply.")
    if foreigner := row.foreigner:
        hint = "Set high_availability = true there too, or give that watcher a kafka_client_id of its own."
        yield HostTrouble(f"{foreigner} writes for this watcher without a lease", hint)
