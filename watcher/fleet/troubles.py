"""A watcher's state and troubles in words, each in one place for all who show them: what its state means, why it does not stream,
what its worker tells of while it works, and how it would come back. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from watcher.errors import QUOTA_HINT
from watcher.fleet.status import Row, WatcherState

OTHER_HOSTS = "Other hosts"
QUOTA = "Quota of Kafka"

DELIVERY = "Delivery to Kafka"

DELIVERING_SECONDS = 10.0
"""Seconds from which on a transaction under way is worth a word: on a fast link even the largest takes only a few."""

SLOW_WRITE_HINT = (
    "Is the broker running, are as many copies in step as min.insync.replicas wants, and is the topic there? "
    "watcherctl doctor asks. The worker keeps trying."
)

THROTTLED_SECONDS = 1.0
"""Seconds of the last minute from which on a quota is worth a word."""

MEANINGS = {
    WatcherState.STREAMING: "changes go to Kafka",
    WatcherState.STANDBY: "another host has the watcher; this one takes over when that fails",
    WatcherState.OPENING: "connecting, and finding its position",
    WatcherState.WAITING: "MongoDB or Kafka is away; it goes on by itself when they are back",
    WatcherState.BACKING_OFF: "it ended several times within a minute, and waits before it tries again",
    WatcherState.STOPPING: "finishing the transaction in hand",
    WatcherState.STALLED: "MongoDB moves on, and no position has been committed for a minute",
    WatcherState.HUNG: "the process runs, but has not written its status for 20 seconds",
    WatcherState.STOPPED: "it was stopped",
    WatcherState.FAILED: "it ended with an error, or its configuration has faults",
    WatcherState.DISABLED: "not running, and not meant to",
    WatcherState.NOT_STARTED: "it has never run",
    WatcherState.UNKNOWN: "the process runs, but has not written a status that can be read",
}

STUCK = {WatcherState.STALLED, WatcherState.HUNG, WatcherState.UNKNOWN}
"""The states of a process that runs and does not work, whatever its last error was."""

_NO_ERROR = STUCK | {WatcherState.STOPPED, WatcherState.NOT_STARTED}
"""The states whose meaning is the reason, whatever the last error was."""


def reason(row: Row) -> str:
    """The reason why a watcher does not stream, in a sentence."""
    if row.fault and not row.is_running:
        return row.fault
    if row.state in _NO_ERROR:
        return MEANINGS[row.state]
    if row.spawn_error:
        return not_spawned(row.spawn_error)
    return row.error.message if row.error else f"it is {row.state}"


def hint_for_stuck(row: Row) -> str:
    """The commands against a process that runs and does not work."""
    return f"watcherctl logs {row.name}; then watcherctl restart {row.name}"


def faults(row: Row) -> list[str]:
    """A sentence each about a fault of its configuration, and about a process that could not be started."""
    return [*filter(None, (row.fault_in_words, row.spawn_error and not_spawned(row.spawn_error)))]


def not_spawned(error: str) -> str:
    """Say that supervisord could not start the process, and why."""
    return f"could not be started: {error}"


class Trouble(NamedTuple):
    """A trouble in a sentence, what to do about it, and a heading for both."""

    text: str
    hint: str
    about: str


def troubles(row: Row) -> Iterator[Trouble]:
    """Yield what the worker tells: of a standby how the active host's settings differ, a worker without a lease, and that Kafka
    holds back its writes, or takes long over one."""
    report = row.live
    if report and row.state is WatcherState.STANDBY and report.settings_differ:
        text = f"not the same settings on all hosts: {'; '.join(report.settings_differ)}"
        yield Trouble(text, "Use the same conf.d on all hosts, then watcherctl apply.", OTHER_HOSTS)
    if foreigner := row.foreigner:
        hint = "Set high_availability = true there too, or give that watcher a kafka_client_id of its own."
        yield Trouble(f"{foreigner} writes for this watcher without a lease", hint, OTHER_HOSTS)
    if report and report.throttled_seconds >= THROTTLED_SECONDS:
        yield Trouble(throttled_in_words(report.throttled_seconds), QUOTA_HINT, QUOTA)
    if text := slow_write_in_words(row):
        yield Trouble(text, SLOW_WRITE_HINT, DELIVERY)


def slow_write_in_words(row: Row) -> str:
    """Say for how long the write in hand has been under way; empty unless it is long, and longer than a quota can explain."""
    report = row.live
    if not report or report.delivering_seconds < DELIVERING_SECONDS:
        return ""
    if report.throttled_seconds >= THROTTLED_SECONDS and report.delivering_seconds <= report.throttled_seconds + DELIVERING_SECONDS:
        return ""
    return f"a write to Kafka has been under way for {report.delivering_seconds:.0f} s"


def throttled_in_words(seconds: float) -> str:
    """Say that Kafka has held back the writes for so many of the last 60 seconds."""
    return f"Kafka held its writes back for {seconds:.0f} s of the last minute, because a quota is used up"


class Remark(NamedTuple):
    """A remark on how running watchers would come back: in a few words beside a name, in words that suit one or several after their
    names and a colon, and the command that changes it, for their names."""

    mark: str
    text: str
    hint: str

    def hint_for(self, names: Sequence[str]) -> str:
        """The command for these watchers."""
        return self.hint.format(" ".join(names))


UNAPPLIED = Remark("changed, not applied", "changed in conf.d since the start, and not applied", "watcherctl apply")
DISABLED = Remark("disabled", "disabled, so not started again with supervisord", "watcherctl enable {}")


def remarks(row: Row) -> list[Remark]:
    """The remarks on a running watcher."""
    return [*([UNAPPLIED] if row.is_unapplied else ()), *([DISABLED] if row.is_running and not row.enabled else ())]
