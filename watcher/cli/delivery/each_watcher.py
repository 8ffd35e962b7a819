"""One step for each of the watchers that a command names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.config import Deployment, Settings, load_one
from watcher.errors import WatcherError, command_hint


def each_watcher(deployment: Deployment, names: Iterable[str], do: Callable[[Settings], int]) -> int:
    """Do something to each watcher. An error is shown, and the others have their turn; returns the greatest exit code."""
    codes: list[int] = [CliExitCode.OK]
    for name in names:
        try:
            codes.append(do(load_one(deployment.conf_dir, name)))
        except WatcherError as error:
            click.echo(f"{name}: {error}", err=True)
            if hint := command_hint(error):
                click.echo(f"hint: {hint}", err=True)
            codes.append(error.exit_code)
    return max(codes)
