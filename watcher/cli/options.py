"""What commands have in common: where the deployment is, and which watchers are meant."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from watcher.cli.exit_codes import UnknownName
from watcher.config.conf_dir import watcher_names
from watcher.config.deployment import Deployment
from watcher.config.fault import did_you_mean

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])


def with_deployment(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command `--config` and `--state-dir`, and as its first argument the `Deployment` they mean."""

    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The conf.d, or where it lies; else $WATCHER_CONFIG, ./conf.d, /etc/database-watcher/conf.d.",
    )
    @click.option(
        "--state-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where run/ and log/ are; else beside conf.d."
    )
    @functools.wraps(function)
    def command(*args: Any, config: Path | None, state_dir: Path | None, **kwargs: Any) -> R:
        return function(Deployment.locate(config, state_dir), *args, **kwargs)

    return command


def names_argument(function: F) -> F:
    """Give a command the argument `names`: any number of watcher names or globs."""
    return click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)(function)


def all_option(function: F) -> F:
    """Give a command `--all`, as `everything`."""
    return click.option("--all", "everything", is_flag=True, help="All watchers.")(function)


def complete_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The watchers' names that begin with what has been typed, for the shell."""
    deployment = Deployment.locate(context.params.get("config"))
    return [CompletionItem(name) for name in watcher_names(deployment.conf_dir) if name.startswith(incomplete)]


def select(names: Iterable[str], known: Collection[str]) -> list[str]:
    """The `known` names that `names`, exact or globs, stand for, each once and in the order of `known`; no names mean all.

    Raises `UnknownName` for one that matches nothing.
    """
    patterns = tuple(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UnknownName(_unknown(pattern, known))
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def select_one(deployment: Deployment, name: str) -> str:
    """The one watcher that `name`, exact or a glob, stands for. Raises `UnknownName`, and click.UsageError when it is several.

    Without any watcher it is `name` itself: then the loader says what is wrong with conf.d.
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
    """As `select`, for a command that changes something: it wants names or `--all`, else `click.UsageError`."""
    patterns = tuple(names)
    if bool(patterns) is everything:
        raise click.UsageError("say either names or --all")
    return select(patterns, known)


def _unknown(pattern: str, known: Collection[str]) -> str:
    hint = did_you_mean(pattern, known) or (f"there are: {', '.join(known)}" if known else "conf.d holds none")
    return f"no watcher is called '{pattern}'; {hint}"
