"""Waiting until workers stream or stand by, and reporting the result for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from watcher.errors import ExitCode
from watcher.fleet.control import Fleet
from watcher.fleet.polling import STEP_SECONDS, is_still
from watcher.fleet.status import Row, WatcherState, belongs_to
from watcher.fleet.survey import survey
from watcher.fleet.troubles import not_spawned

RESPAWNS = 3
"""A worker that supervisord had to start this many times while we waited counts as failed."""


class StartResult(Enum):
    """The result of a start. MISCONFIGURED means that the worker itself found a fault in its configuration."""

    STREAMING = auto()
    STANDBY = auto()
    FAILED = auto()
    MISCONFIGURED = auto()
    TIMED_OUT = auto()


ARRIVED = {WatcherState.STREAMING: StartResult.STREAMING, WatcherState.STANDBY: StartResult.STANDBY}
"""The states that a start has reached its aim with."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The result of waiting for one watcher. `message` and `hint` are empty if it streams or stands by."""

    name: str
    result: StartResult
    seconds: float
    message: str = ""
    hint: str = ""


@dataclass
class _Waiting:
    """The watchers still waited for, and the process ids seen of each."""

    names: set[str]
    pids: dict[str, set[int]] = field(default_factory=dict)

    def result(self, row: Row) -> StartResult | None:
        if row.state in ARRIVED:
            return ARRIVED[row.state]
        process = row.process
        if process is None or not process.started_at:
            return None
        if process.pid:
            self.pids.setdefault(row.name, set()).add(process.pid)
        crashes = len(self.pids.get(row.name, ())) >= RESPAWNS
        if not crashes and row.state not in {WatcherState.FAILED, WatcherState.STOPPED, WatcherState.DISABLED}:
            return None
        return StartResult.MISCONFIGURED if process.exit_status == ExitCode.CONFIGURATION else StartResult.FAILED


def arrivals(fleet: Fleet, names: Collection[str], wait_seconds: float, progress: Callable[[list[Row]], None]) -> Iterator[Arrival]:
    """Yield each watcher as soon as it streams, stands by or has failed. At the end, yield those that did none of it in time.

    `progress` is called several times a second with the rows of the watchers still waited for. Raises FleetError.
    """
    begin = time.monotonic()
    waiting = _Waiting(set(names))
    while waiting.names:
        seen = survey(fleet, sorted(waiting.names))
        rows = seen.rows
        for row in rows:
            result = waiting.result(row)
            if result is None and time.monotonic() - begin >= wait_seconds:
                result = StartResult.TIMED_OUT
            if result is not None:
                waiting.names.discard(row.name)
                yield _arrival(row, result, time.monotonic() - begin, seen.unwritable)
        progress([row for row in rows if row.name in waiting.names])
        if waiting.names:
            time.sleep(STEP_SECONDS)


def _arrival(row: Row, result: StartResult, seconds: float, unwritable: str) -> Arrival:
    if result in ARRIVED.values():
        return Arrival(row.name, result, seconds)
    own = row.process is not None and belongs_to(row.report, row.process)
    if own and row.error:
        return Arrival(row.name, result, seconds, row.error.message, row.error.hint)
    if result is StartResult.TIMED_OUT and unwritable:
        return Arrival(row.name, result, seconds, f"it runs, and {unwritable}", "make space, and see watcherctl status")
    if row.live and row.state is WatcherState.OPENING:  # its first error comes when a server has had all of its time to answer
        what = "MongoDB's change stream is not open yet" if row.live.kafka_connected else "Kafka has not answered yet"
        return Arrival(row.name, result, seconds, f"not streaming yet: {what}", f"watcherctl doctor {row.name}")
    return Arrival(row.name, result, seconds, _without_words(row), f"watcherctl logs {row.name}")


def _without_words(row: Row) -> str:
    """A message for a worker that has not written an error itself."""
    process = row.process
    if process and process.spawn_error:
        return not_spawned(process.spawn_error)
    if process and process.state == "EXITED":
        return f"ended with exit status {process.exit_status}"
    if row.live and row.state is WatcherState.BACKING_OFF:
        return f"not streaming yet: backing off, since its last {row.live.fruitless} starts delivered nothing"
    before = row.report
    if process and before and not belongs_to(before, process) and is_still(before.pid, before.birth):
        return f"not streaming yet: it waits for the worker before it to end, process {before.pid}"
    return f"not streaming yet: {row.state}"
