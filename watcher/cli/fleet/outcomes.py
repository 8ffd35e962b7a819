"""Results of a command that changes a fleet: a line for each watcher as it comes, or with --json one document at the end."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.common import Selection, show, show_agent
from watcher.errors import WatcherError
from watcher.fleet.agent_state import AgentState
from watcher.fleet.arrival import ARRIVED, Arrival, StartResult
from watcher.terminal.message_text import printable

VERSION = 1
"""Version of the document. It goes up when a key goes away or changes its meaning."""

json_option = click.option("--json", "json_", is_flag=True, help="One JSON document at the end, for programs.")

_WORDS = {
    StartResult.STREAMING: "streaming",
    StartResult.STANDBY: "standby",
    StartResult.FAILED: "failed",
    StartResult.MISCONFIGURED: "misconfigured",
    StartResult.TIMED_OUT: "timedOut",
}


class Outcomes:
    """Takes what became of each watcher, and shows it in one of the two ways."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._watchers: dict[str, dict[str, Any]] = {}
        self._faults: list[str] = []
        self._agent: AgentState | None = None

    def add(self, names: Iterable[str], word: str, key: str = "result") -> None:
        """Note the same word for each name."""
        for name in names:
            self._note(name, **{key: word})
            if not self._as_json:
                show(name, word)

    def add_faults(self, selection: Selection, running: Collection[str] = ()) -> None:
        """Note the watchers whose configuration has faults, some of which may run, and the faults that are no watcher's."""
        self._faults += map(str, selection.general)
        for name, faults in selection.broken.items():
            self._note(name, result="misconfigured", running=name in running, faults=[str(fault) for fault in faults])
        if not self._as_json:
            selection.show_faults(running)

    def add_fault(self, error: WatcherError) -> None:
        """Note a fault that is no watcher's."""
        self._faults.append(str(error))
        if not self._as_json:
            click.echo(f"{error}; {error.hint}" if error.hint else str(error), err=True)

    def add_arrival(self, arrival: Arrival) -> None:
        """Note that a watcher has come to stream, or has not."""
        texts = {"message": arrival.message or None, "hint": arrival.hint or None}
        self._note(arrival.name, result=_WORDS[arrival.result], seconds=round(arrival.seconds, 1), **texts)
        if not self._as_json:
            _show_arrival(arrival)

    def add_agent(self, agent: AgentState) -> None:
        """Note any trouble with the agent."""
        self._agent = agent
        if not self._as_json:
            show_agent(agent)

    def tell(self, name: str, text: str, **facts: Any) -> None:
        """Note facts about a watcher, or write `text`, which says the same, on stderr."""
        self._note(name, **facts)
        if not self._as_json:
            click.echo(f"{name}: {text}", err=True)

    def end(self, code: CliExitCode) -> CliExitCode:
        """Print the document, if one is wanted; returns `code`."""
        if self._as_json:
            agent = {"trouble": self._agent.trouble or None, "hint": self._agent.hint or None} if self._agent else None
            watchers = [{"name": name, **facts} for name, facts in sorted(self._watchers.items())]
            document = {"version": VERSION, "exitCode": code, "watchers": watchers, "faults": self._faults, "agent": agent}
            click.echo(json.dumps(document, indent=2))
        return code

    def _note(self, name: str, **facts: Any) -> None:
        self._watchers.setdefault(name, {}).update(facts)


def _show_arrival(arrival: Arrival) -> None:
    if arrival.result in ARRIVED.values():
        show(arrival.name, arrival.result.name.lower(), f"{arrival.seconds:.1f}s")
        return
    word = "timed out" if arrival.result is StartResult.TIMED_OUT else "failed"
    hint = [f"hint: {printable(arrival.hint)}"] if arrival.hint else []
    show(arrival.name, word, printable(arrival.message), *hint)
