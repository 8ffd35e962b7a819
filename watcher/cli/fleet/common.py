"""Common parts of the commands for a fleet: opening it, selecting its watchers, and printing lines about them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import select_to_change, with_deployment
from watcher.config import Deployment, Fault, Loaded, Settings, load
from watcher.config.agent_settings import load_agent
from watcher.config.fault import configuration_error
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.agent_state import AgentState
from watcher.fleet.control import Fleet
from watcher.fleet.errors import NotRunning, closed_to_us
from watcher.fleet.launch import check_ours, refuse_a_second
from watcher.fleet.sharing import is_open_to_us
from watcher.fleet.status import WITH_OLD_SETTINGS


def with_fleet(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options `--config` and `--state-dir`, and as its first argument the `Fleet` that they select."""

    @with_deployment
    @functools.wraps(function)
    def command(deployment: Deployment, *args: Any, **kwargs: Any) -> int:
        try:
            return function(open_fleet(deployment), *args, **kwargs)
        except NotRunning as error:
            refuse_a_second(deployment)  # raises if supervisord runs but cannot be reached
            click.echo(f"{error}; start it with: {error.hint}", err=True)
            return CliExitCode.NO_SUPERVISORD

    return command


def with_own_fleet(function: Callable[..., int]) -> Callable[..., int]:
    """Like `with_fleet`, for a command that changes something. Raises NotReachable if another user lets us look alone."""

    @functools.wraps(function)
    def command(fleet: Fleet, *args: Any, **kwargs: Any) -> int:
        if is_open_to_us(fleet.deployment):
            raise closed_to_us(fleet.deployment.run_dir)
        return function(fleet, *args, **kwargs)

    return with_fleet(command)


def open_fleet(deployment: Deployment) -> Fleet:
    """Open the fleet of `deployment`, with its agent. Raises NotReachable if it belongs to another user."""
    check_ours(deployment)
    return Fleet(deployment, agent=load_agent(deployment.conf_dir))


@dataclass(frozen=True, slots=True)
class Selection:
    """The watchers selected for a command: those that can run, and those whose configuration has faults.

    `general` holds the faults of conf.d itself and of `agent.toml`, `watchers` all of conf.d that can run. `left_out` are disabled
    watchers, which `--all` does not mean.
    """

    good: tuple[Settings, ...]
    broken: Mapping[str, tuple[Fault, ...]]
    general: tuple[Fault, ...]
    watchers: tuple[Settings, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, fleet: Fleet, loaded: Loaded, names: Iterable[str]) -> Selection:
        """Select the watchers called `names`."""
        chosen = tuple(names)
        return cls(
            good=tuple(loaded.watchers[name] for name in chosen if name in loaded.watchers),
            broken={name: loaded.broken[name] for name in chosen if name in loaded.broken},
            general=(*loaded.general, *fleet.agent.faults),
            watchers=tuple(loaded.watchers.values()),
        )

    @property
    def code(self) -> CliExitCode:
        """The exit code: CONFIGURATION if there are faults, else OK."""
        return CliExitCode.CONFIGURATION if self.broken or self.general else CliExitCode.OK

    def show_faults(self, running: Collection[str] = ()) -> None:
        """Print the faults of each watcher, and the general faults on stderr. Those of `running` have not failed by theirs."""
        for fault in self.general:
            click.echo(str(fault), err=True)
        for name, faults in self.broken.items():
            texts = map(str, faults)
            if name in running:
                show(name, "running", WITH_OLD_SETTINGS, *texts)
            else:
                show(name, "failed", *texts)


def load_watchers(fleet: Fleet) -> Loaded:
    """Load conf.d, as far as it can be read; nothing of another user's fleet. Raises ConfigurationError if nothing can be read."""
    if is_open_to_us(fleet.deployment):
        return Loaded()
    loaded = load(fleet.deployment.conf_dir)
    if loaded.general and not loaded.names:
        raise configuration_error(loaded.general)
    return loaded


def choose(fleet: Fleet, names: Sequence[str], *, everything: bool) -> Selection:
    """Select watchers. `--all` leaves out the disabled ones. Raises UnknownName and ConfigurationError."""
    loaded = load_watchers(fleet)
    chosen = select_to_change(names, loaded.names, everything=everything)
    left_out = [name for name in chosen if everything and name in fleet.disabled]
    selection = Selection.of(fleet, loaded, [name for name in chosen if name not in left_out])
    return replace(selection, left_out=tuple(left_out))


def show(name: str, word: str, *details: str) -> None:
    """Print `name  word  detail` on stdout, and further details below."""
    first, *others = details or ("",)
    click.echo(f"{name}  {word}  {first}".rstrip())
    for other in others:
        click.echo(f"{' ' * len(name)}  {other}")


def show_each(names: Iterable[str], word: str) -> None:
    """Print a line with the same word for each name."""
    for name in names:
        show(name, word)


def show_agent(agent: AgentState) -> None:
    """Print any trouble with the agent on stderr only, since the watchers do not need it."""
    if agent.trouble and not agent.is_coming:
        click.echo(f"{AGENT}: {agent.trouble}", err=True)
        if agent.hint:
            click.echo(f"    hint: {agent.hint}", err=True)
