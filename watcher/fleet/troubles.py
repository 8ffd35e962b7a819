"""Troubles of a watcher in words: the reason why it does not stream, and what its hosts disagree about. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from watcher.fleet.status import Row, WatcherState

_REASONS = {
    WatcherState.STALLED: "MongoDB moves on, and no position has been committed for a minute",
    WatcherState.HUNG: "the process runs, but has not written its status for 20 seconds",
    WatcherState.STOPPED: "it was stopped",
    WatcherState.NOT_STARTED: "it has never run",
    WatcherState.UNKNOWN: "the process runs, but has not written a status that can be read",
}


def reason(row: Row) -> str:
    """The reason why a watcher does not stream, in a sentence."""
    if row.fault and not row.is_running:
        return row.fault
    if row.state in _REASONS:
        return _REASONS[row.state]
    if row.spawn_error:
        return f"it could not be started: {row.spawn_error}"
    return row.error.message if row.error else f"it is {row.state}"


class HostTrouble(NamedTuple):
    """A trouble between hosts in a sentence, and what to do about it. It keeps no worker from working now."""

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
