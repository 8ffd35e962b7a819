"""Troubles of a watcher in words: the reason why it does not stream, and what its worker tells of while it works. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from watcher.errors import QUOTA_HINT
from watcher.fleet.status import Row, WatcherState

OTHER_HOSTS = "Other hosts"
QUOTA = "Quota of Kafka"

THROTTLED_SECONDS = 1.0
"""Seconds of the last minute from which on a quota is worth a word."""

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


class Trouble(NamedTuple):
    """A trouble in a sentence, what to do about it, and a heading for both."""

    text: str
    hint: str
    about: str


def troubles(row: Row) -> Iterator[Trouble]:
    """Yield what the worker tells: of a standby how the active host's settings differ, a worker without a lease, and that Kafka
    holds back its writes."""
    report = row.live
    if report and row.state is WatcherState.STANDBY and report.settings_differ:
        text = f"not the same settings on all hosts: {'; '.join(report.settings_differ)}"
        yield Trouble(text, "Use the same conf.d on all hosts, then watcherctl apply.", OTHER_HOSTS)
    if foreigner := row.foreigner:
        hint = "Set high_availability = true there too, or give that watcher a kafka_client_id of its own."
        yield Trouble(f"{foreigner} writes for this watcher without a lease", hint, OTHER_HOSTS)
    if report and report.throttled_seconds >= THROTTLED_SECONDS:
        yield Trouble(throttled_in_words(report.throttled_seconds), QUOTA_HINT, QUOTA)


def throttled_in_words(seconds: float) -> str:
    """Say that Kafka has held back the writes for so many of the last 60 seconds."""
    return f"Kafka held its writes back for {seconds:.0f} s of the last minute, because a quota is used up"
