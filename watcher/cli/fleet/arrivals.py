"""Waiting for workers on the command line: progress on stderr, an outcome for each worker, and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.outcomes import Outcomes
from watcher.cli.fleet.remarks import tell_not_shared
from watcher.cli.phases import Progress, phases
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.agent_state import AgentState, agent_state
from watcher.fleet.arrival import StartResult, arrivals
from watcher.fleet.control import Fleet
from watcher.fleet.polling import wait_for
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.survey import ask
from watcher.terminal.message_text import printable

DEFAULT_WAIT_SECONDS = 60.0
AGENT_SECONDS = 5.0
"""The time that the agent gets to listen after the workers have been waited for."""

_CODES = {
    StartResult.STREAMING: CliExitCode.OK,
    StartResult.STANDBY: CliExitCode.OK,
    StartResult.FAILED: CliExitCode.FAILED,
    StartResult.MISCONFIGURED: CliExitCode.CONFIGURATION,
    StartResult.TIMED_OUT: CliExitCode.TIMED_OUT,
}
_WORST_FIRST = (CliExitCode.FAILED, CliExitCode.CONFIGURATION, CliExitCode.TIMED_OUT, CliExitCode.OK)

wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_WAIT_SECONDS,
    show_default=True,
    metavar="S",
    help="How many seconds to wait until all stream; 0 does not wait.",
)


def worst(*codes: CliExitCode) -> CliExitCode:
    """The most serious of several exit codes."""
    return min(codes, key=_WORST_FIRST.index)


def wait_for_fleet(fleet: Fleet, names: Collection[str], wait_seconds: float, outcomes: Outcomes) -> CliExitCode:
    """Wait as `wait_for_workers` does, and then note any trouble with the agent, and with the group of its settings."""
    code = wait_for_workers(fleet, names, wait_seconds, outcomes)
    tell_not_shared(fleet, outcomes)
    if wait_seconds:
        outcomes.add_agent(_agent_at_rest(fleet, min(wait_seconds, AGENT_SECONDS)))
    return code


def _agent_at_rest(fleet: Fleet, seconds: float) -> AgentState:
    """The agent's state once it listens or has reported its trouble, at the latest after `seconds`.

    It had time to start while the workers were waited for.
    """

    def look() -> AgentState:
        return agent_state(fleet, ask(fleet).processes.get(AGENT))

    wait_for(lambda: not look().is_coming, seconds)
    return replace(look(), is_coming=False)


def wait_for_workers(fleet: Fleet, names: Collection[str], wait_seconds: float, outcomes: Outcomes) -> CliExitCode:
    """Wait until each of `names` streams, stands by or has failed, and note which. With 0 seconds, do not wait."""
    if not wait_seconds:
        outcomes.add(names, "started")
        return CliExitCode.OK
    with phases() as progress:
        codes = []
        for arrival in arrivals(fleet, names, wait_seconds, _waiting(progress, len(names))):
            outcomes.add_arrival(arrival)
            codes.append(_CODES[arrival.result])
    return worst(CliExitCode.OK, *codes)


def _waiting(progress: Progress, total: int) -> Callable[[list[Row]], None]:
    """Return a function that reports the rows still waited for, of so many."""
    return lambda rows: progress("\n".join(map(_doing, rows)), total - len(rows), total)


def _doing(row: Row) -> str:
    state = "starting" if not row.is_running else str(row.state)
    error = printable(row.error.message) if row.error and row.state is WatcherState.WAITING else ""
    return f"{row.name}: {state}" + (f" ({error})" if error else "")
