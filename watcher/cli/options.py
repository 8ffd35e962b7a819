"""Common parts of the commands: finding the deployment and selecting watchers."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from watcher.cli.exit_codes import UnknownName
from watcher.config.deployment import Deployment
from watcher.config.fault import did_you_mean
from watcher.config.files.conf_dir import watcher_names

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
    """The busiest databases of the watcher that was typed, as its worker last wrote, for the shell's completion."""
    from watcher.status.report import read_report

    report = read_report(Deployment.locate(context.params.get("config")).status_file(str(context.params.get("name"))))
    names = [each.name for each in report.databases] if report else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def select(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Select those of the `known` names that match any of `names`, exactly or as globs. Without `names`, select all.

    Each is selected once, in the order of `known`. Raises `UnknownName` if one of `names` matches nothing.
    """
    patterns = tuple(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UnknownName(_unknown(pattern, known))
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


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
    """Select watchers as `select` does, for a command that changes something.

    Raises `click.UsageError` unless there are either names or `--all`.
    """
    patterns = tuple(names)
    if bool(patterns) is everything:
        raise click.UsageError("say either names or --all")
    return select(patterns, known)


def _unknown(pattern: str, known: Collection[str]) -> str:
    hint = did_you_mean(pattern, known) or (f"there are: {', '.join(known)}" if known else "conf.d holds none")
    return f"no watcher is called '{pattern}'; {hint}"


def agreed() -> bool:
    """Ask whether to go on, in a command that has an option --yes. Errors: UsageError if there is nobody to ask."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask; say --yes")
    return click.confirm("Go on?", err=True)
