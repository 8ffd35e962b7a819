"""Common parts of the commands: finding the deployment and selecting watchers."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from watcher.cli.exit_codes import UnknownName
from watcher.config.deployment import Deployment
from watcher.config.fault import configuration_error, did_you_mean
from watcher.config.files.conf_dir import watcher_names
from watcher.config.loader import load
from watcher.config.mongodb.collections import is_glob

COMPLETION_SECONDS = 1.0
"""Time for the shell's completion to ask a server, in seconds."""

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])


def with_deployment(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options `--config` and `--state-dir`, and as its first argument the `Deployment` that they select."""

    @click.option(
        "--config",
        type=click.Path(readable=False, path_type=Path),  # whoever may read the status alone need not read it
        metavar="DIR",
        help="The conf.d, or the directory that holds it; else $WATCHER_CONFIG, ./conf.d, /etc/database-watcher/conf.d.",
    )
    @click.option(
        "--state-dir",
        type=click.Path(readable=False, path_type=Path),
        metavar="DIR",
        help="Where run/ and log/ are; else beside conf.d.",
    )
    @functools.wraps(function)
    def command(*args: Any, config: Path | None, state_dir: Path | None, **kwargs: Any) -> R:
        return function(Deployment.locate(config, state_dir), *args, **kwargs)

    return command


def names_argument(function: F) -> F:
    """Give a command the argument `names`: any number of watcher names or globs."""
    return click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)(function)


def all_option(function: F) -> F:
    """Give a command the option `--all`, as the argument `everything`."""
    return click.option("--all", "everything", is_flag=True, help="All watchers.")(function)


def complete_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The watchers' names that begin with the typed text, for the shell's completion."""
    deployment = Deployment.locate(context.params.get("config"))
    return [CompletionItem(name) for name in watcher_names(deployment.conf_dir) if name.startswith(incomplete)]


def complete_databases(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The busiest databases of the watchers that were typed, as their workers last wrote, for the shell's completion."""
    from watcher.status.report import read_report

    deployment = Deployment.locate(context.params.get("config"))
    reports = [read_report(deployment.status_file(name)) for name in _typed(context, watcher_names(deployment.conf_dir))]
    names = {each.name for report in reports if report for each in report.databases}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def complete_collections(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The collections of the watchers that were typed, for the shell's completion: those that the settings name, and what MongoDB
    tells within COMPLETION_SECONDS."""
    from watcher.mongodb.databases import names_within

    loaded = load(Deployment.locate(context.params.get("config")).conf_dir)
    watchers = [loaded.watchers[name] for name in _typed(context, loaded.watchers)]
    named = {name for settings in watchers for name in settings.watch_collections if not is_glob(name)}
    names = named | names_within(COMPLETION_SECONDS, watchers)
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _typed(context: click.Context, known: Collection[str]) -> list[str]:
    """The known watchers that were typed so far. Click leaves them in `args` if the line ends with an option without its value."""
    patterns = [*context.args, *(context.params.get("names") or ()), context.params.get("name") or ""]
    return [name for name in known if context.params.get("everything") or any(fnmatchcase(name, text) for text in patterns)]


def select(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Select those of the `known` names that match any of `names`, exactly or as globs. Without `names`, select all.

    Each is selected once, in the order of `known`. Raises `UnknownName` if one of `names` matches nothing.
    """
    patterns = tuple(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UnknownName(_unknown(pattern, known))
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def known_watchers(deployment: Deployment) -> tuple[str, ...]:
    """The names of the watchers in conf.d. Raises ConfigurationError if it holds none: in a wrong place, `--all` would mean nobody,
    and all would seem well."""
    if known := watcher_names(deployment.conf_dir):
        return known
    raise configuration_error(load(deployment.conf_dir).general)


def select_one(deployment: Deployment, name: str) -> str:
    """Select the one watcher that matches `name`, exactly or as a glob.

    Raises `UnknownName` if none matches, and click.UsageError if several do. If conf.d holds no watchers, `name` itself is
    returned, and the loader reports what is wrong with conf.d.
    """
    known = watcher_names(deployment.conf_dir)
    if not known:
        return name
    found = select([name], known)
    if len(found) > 1:
        command = click.get_current_context().info_name
        raise click.UsageError(f"'{name}' means {', '.join(found)}; {command} takes one watcher")
    return found[0]


def select_to_change(names: Iterable[str], known: Collection[str], *, everything: bool) -> list[str]:
    """Select watchers as `select` does, for a command that changes something, or that is long where all are meant.

    Raises `click.UsageError` unless there are either names or `--all`.
    """
    patterns = tuple(names)
    if bool(patterns) is everything:
        raise click.UsageError("say either names or --all")
    return select(patterns, known)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The watchers that a command shows something of. `is_alone` is true if one name was given, which is no glob: then the command
    speaks of that watcher alone, and an error of it ends the command."""

    names: tuple[str, ...]
    is_alone: bool


def choose_to_show(deployment: Deployment, names: Sequence[str], *, everything: bool) -> Chosen:
    """Choose watchers by names, globs or `--all`.

    Raises UnknownName, click.UsageError, and ConfigurationError if conf.d holds none.
    """
    chosen = select_to_change(names, known_watchers(deployment), everything=everything)
    return Chosen(tuple(chosen), is_alone=len(names) == 1 and not is_glob(names[0]))


def _unknown(pattern: str, known: Collection[str]) -> str:
    hint = did_you_mean(pattern, known) or (f"there are: {', '.join(known)}" if known else "conf.d holds none")
    return f"no watcher is called '{pattern}'; {hint}"


def agreed() -> bool:
    """Ask whether to go on, in a command that has an option --yes. Errors: UsageError if there is nobody to ask."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask; say --yes")
    return click.confirm("Go on?", err=True)
